// Which options of `qkv train` mean something to which training.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace qkv::cli {

/// Whether an option has any effect beside the data that are given.
bool has_meaning(const CLI::App& command, const std::string& option);

/// What cannot have any effect is an error, never passed over in silence.
/// @throws usage_error "--window: expected --text, to whose training it belongs; found --source"
void check_belongings(const CLI::App& command);

}  // namespace qkv::cli
