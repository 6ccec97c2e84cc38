// Presets of `qkv train`: options under one name, for the options that are not given.
#pragma once
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace qkv::cli {

struct train_preset {
  const char* name;
  const char* data;  ///< the option of the data that it is for; empty: any
  const char* what;  ///< a line for --list-presets
  std::vector<std::pair<const char*, const char*>> options;
};

const std::vector<train_preset>& train_presets();

/// Gives every option of the preset that the command has not been given, unless the user chose another way to say the
/// same (--epochs, --seconds and --steps; --batch and --batch-tokens) or the option means nothing to these data.
/// @throws usage_error where there is no such preset, or it is for other data
void apply_preset(CLI::App& command, const std::string& name);

/// A table of them.
std::string presets_in_words();
/// The same for programs: name, the option of the data, what it is, and its options as an object.
nlohmann::ordered_json presets_in_json();

}  // namespace qkv::cli
