// How much memory this process takes, as the system sees it.
#pragma once
#include <string>

namespace qkv::cli {

/// Bytes that can still be taken without swapping; a container's limit counts.
double available_memory();

/// "3.2 GiB", "21 MiB", "640 bytes".
std::string in_bytes(double bytes);

/// The most memory the process has held since the meter was made, beyond what it held then.
class memory_meter {
 public:
  memory_meter();
  double peak() const;  ///< bytes

 private:
  bool by_system_;  // else by qkv's own counters
  double before_;
};

}  // namespace qkv::cli
