#include "apps/cli/command.h"

#include "apps/cli/option_values.h"
#include "qkv/io/utf8.h"

namespace qkv::cli {

CLI::App& add_command(CLI::App& program, const std::string& name, const std::string& what, const std::string& example) {
  CLI::App* command = program.add_subcommand(name, what);
  command->footer("Example:\n  " + example);
  command->get_formatter()->column_width(34);
  return *command;
}

CLI::Validator file_name() {
  return CLI::Validator(
      [](std::string& name) { return name.empty() ? std::string("expected the name of a file; found none") : ""; },
      "FILE", "file_name");
}

void output_options::add_json(CLI::App& command) {
  command.add_flag("--json", json, "Print the results as JSON, for programs to read");
}

void output_options::add_quiet(CLI::App& command) {
  command.add_flag("-q,--quiet", quiet, "Print no more than the result");
}

void output_options::add_style(CLI::App& command) {
  command.add_option("--style", style, "How to draw: auto, ascii, unicode or colour; auto asks the terminal")
      ->check(one_of({"auto", "ascii", "unicode", "colour"}))
      ->capture_default_str();
}

look output_options::look_of(std::FILE* stream) const {
  if (style == "ascii") return look::ascii;
  if (style == "unicode") return look::unicode;
  if (style == "colour") return look::colour;
  return look_of_terminal(stream);
}

void check_text(const std::string& option, std::string_view text) {
  if (text.empty()) throw usage_error(option + ": expected a text; found none");
  if (const auto valid = valid_utf8_length(text); valid < text.size())
    throw usage_error(option + ": expected a text in UTF-8; found another byte at position " + std::to_string(valid));
}

const std::string& checked_text(const std::string& option, const std::string& text) {
  check_text(option, text);
  return text;
}

}  // namespace qkv::cli
