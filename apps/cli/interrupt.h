// Ctrl-C as a wish to stop, not as an end.
#pragma once
#include <atomic>

namespace qkv::cli {

/// True from the first SIGINT or SIGTERM on.  A second one ends the program at once.
const std::atomic<bool>& stop_on_interrupt();

}  // namespace qkv::cli
