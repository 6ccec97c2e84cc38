#include "apps/cli/json_lines.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/cli/parallel_lines.h"
#include "qkv/base/error.h"
#include "qkv/tokens/training.h"

namespace qkv::cli {

text_or_fault field_in(const std::string& line, const std::string& field) {
  if (std::string fault = fault_of(line); !fault.empty()) return {"", fault};
  const auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return {"", "something else than a JSON object"};
  const auto found = parsed.find(field);
  if (found == parsed.end()) return {"", fmt::format("no field \"{}\"", field)};
  if (!found->is_string()) return {"", fmt::format("a field \"{}\" that is no text", field)};
  std::string text = found->get<std::string>();
  if (text.empty()) return {"", fmt::format("an empty field \"{}\"", field)};
  return {std::move(text), ""};
}

std::string read_field(const std::string& path, const std::string& field, bool skip_bad) {
  const auto lines = lines_of(bytes_of(path));
  std::string all;
  std::size_t skipped = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto [text, fault] = field_in(lines[i], field);
    if (fault.empty()) {
      all += text + "\n";
    } else if (skip_bad) {
      ++skipped;
    } else {
      throw file_error(fmt::format("{}, line {}: expected a JSON object with a text \"{}\"; found {} (--skip-bad-lines "
                                   "leaves such lines out)",
                                   path, i + 1, field, fault));
    }
  }
  say_left_out(skipped, lines.size(), path);
  if (all.empty()) refuse_file(path, "at least one text", "none");
  return all;
}

}  // namespace qkv::cli
