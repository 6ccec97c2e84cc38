// Whether an option was given.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace qkv::cli {

/// A flag that is given as false, as a variable of the environment or a file may say, is not.
inline bool is_given(const CLI::Option& option) {
  return option.count() > 0 && (option.get_expected_max() > 0 || option.as<bool>());
}

inline bool is_given(const CLI::App& command, const std::string& name) { return is_given(*command.get_option(name)); }

}  // namespace qkv::cli
