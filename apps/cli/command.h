// What the subcommands share.  A subcommand is one file, command_NAME.cpp, whose function add_NAME main.cpp calls.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "apps/cli/terminal.h"

namespace qkv::cli {

/// What the user asked for cannot be: one sentence, exit code 2.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A subcommand with its --help: what it does, an example, and then the options.
CLI::App& add_command(CLI::App& program, const std::string& name, const std::string& what, const std::string& example);

/// Of an option that names a file: the name is not empty.
CLI::Validator file_name();

/// How results are shown.
struct output_options {
  bool json = false;
  bool quiet = false;
  std::string style = "auto";

  void add_json(CLI::App& command);
  void add_quiet(CLI::App& command);
  void add_style(CLI::App& command);
  look look_of(std::FILE* stream) const;
};

/// Throws usage_error "--text: expected ...; found ..." where a text is empty or not UTF-8.
void check_text(const std::string& option, std::string_view text);
/// The text, checked.
const std::string& checked_text(const std::string& option, const std::string& text);

}  // namespace qkv::cli
