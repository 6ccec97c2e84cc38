// Which qkv this is.
#pragma once
#include <string>

namespace qkv::cli {

std::string version();       ///< "0.1.0"
std::string commit();        ///< of the sources, when built from git; else empty
std::string version_line();  ///< "qkv 0.1.0 (commit abc1234)"

}  // namespace qkv::cli
