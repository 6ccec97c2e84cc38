#include "apps/cli/parallel_lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/cli/json_lines.h"
#include "apps/cli/train_flags.h"
#include "qkv/base/error.h"
#include "qkv/io/text_file.h"
#include "qkv/io/utf8.h"
#include "qkv/tokens/training.h"

namespace qkv::cli {
namespace {

/// One pair, or what is wrong with it.
struct pair_of_texts {
  std::string source, target, fault;
};

pair_of_texts pair_in_columns(const std::string& line) {
  const std::size_t tab = line.find('\t');
  if (tab == std::string::npos) return {"", "", "no tab"};
  std::string source = line.substr(0, tab), target = line.substr(tab + 1);
  if (target.find('\t') != std::string::npos) return {"", "", "more than one tab"};
  const std::string in_source = fault_of(source), in_target = fault_of(target);
  if (!in_source.empty()) return {"", "", in_source + " before the tab"};
  if (!in_target.empty()) return {"", "", in_target + " behind the tab"};
  return {std::move(source), std::move(target), ""};
}

pair_of_texts pair_in_json(const std::string& line, const std::string& source_field, const std::string& target_field) {
  auto source = field_in(line, source_field), target = field_in(line, target_field);
  return {std::move(source.text), std::move(target.text), source.fault.empty() ? target.fault : source.fault};
}

[[noreturn]] void refuse_line(const std::string& path, std::size_t index, const std::string& fault) {
  throw file_error(fmt::format(
      "{}, line {}: expected a text in UTF-8; found {} (--skip-bad-lines leaves such pairs out)", path, index + 1, fault));
}

/// A file that is no text at all has any number of lines: it is named for what it is, not for that number.
void check_is_a_text(const std::string& path, const std::vector<std::string>& lines) {
  const auto binary = std::ranges::find_if(lines, [](const std::string& line) { return line.contains('\0'); });
  if (binary != lines.end()) refuse_line(path, std::size_t(binary - lines.begin()), fault_of(*binary));
}

}  // namespace

void say_left_out(std::size_t skipped, std::size_t all, const std::string& path, const char* what) {
  if (skipped > 0)
    fmt::print(stderr, "qkv: {} of {} {} of {} are empty or damaged and are left out\n", skipped, all, what, path);
}

std::string bytes_of(const std::string& path) {
  if (std::filesystem::is_directory(path)) refuse_file(path, "a text", "a folder");
  std::ifstream in(path, std::ios::binary);
  if (!in) refuse_file(path, "a text", "no file of that name that can be read");
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (begins_as_utf16(bytes)) refuse_file(path, "a text in UTF-8", "one in UTF-16; save it as UTF-8");
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (bytes.starts_with(byte_order_mark)) bytes.erase(0, byte_order_mark.size());
  return bytes;
}

std::string fault_of(const std::string& line) {
  if (line.find_first_not_of(" \t\r") == std::string::npos) return "an empty line";
  if (const std::size_t nul = line.find('\0'); nul != std::string::npos)
    return fmt::format("a NUL byte at column {}, as binary files and UTF-16 have", nul + 1);
  const std::size_t valid = valid_utf8_length(line);
  return valid < line.size() ? fmt::format("a byte that is not UTF-8 at column {}", valid + 1) : "";
}

parallel_lines read_pairs(const std::string& source, const std::string& target, bool skip_bad) {
  auto first = lines_of(bytes_of(source)), second = lines_of(bytes_of(target));
  if (first.size() != second.size()) check_is_a_text(source, first), check_is_a_text(target, second);
  if (first.size() != second.size())
    throw file_error(fmt::format("expected as many lines in {} as in {}, {}; found {}", target, source, first.size(),
                                 second.size()));
  parallel_lines good;
  std::size_t skipped = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const std::string in_first = fault_of(first[i]), in_second = fault_of(second[i]);
    if (in_first.empty() && in_second.empty()) {
      good.source.push_back(std::move(first[i]));
      good.target.push_back(std::move(second[i]));
      continue;
    }
    if (!skip_bad) refuse_line(in_first.empty() ? target : source, i, in_first.empty() ? in_second : in_first);
    ++skipped;
  }
  say_left_out(skipped, first.size(), source, "pairs");
  if (good.source.empty()) refuse_file(source, "at least one line", "none");
  return good;
}

parallel_lines read_pairs_of_one_file(const std::string& path, const std::string& source_field,
                                      const std::string& target_field, bool skip_bad) {
  const auto lines = lines_of(bytes_of(path));
  const bool json = path.ends_with(".jsonl");
  parallel_lines good;
  std::size_t skipped = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto pair = json ? pair_in_json(lines[i], source_field, target_field) : pair_in_columns(lines[i]);
    if (pair.fault.empty()) {
      good.source.push_back(std::move(pair.source));
      good.target.push_back(std::move(pair.target));
    } else if (skip_bad) {
      ++skipped;
    } else {
      throw file_error(fmt::format("{}, line {}: expected {}; found {} (--skip-bad-lines leaves such pairs out)", path,
                                   i + 1, json ? "a JSON object with both texts" : "two texts with a tab between them",
                                   pair.fault));
    }
  }
  say_left_out(skipped, lines.size(), path, "pairs");
  if (good.source.empty()) refuse_file(path, "at least one pair of texts", "none");
  return good;
}

divided_lines read_parallel_lines(const train_flags& flags) {
  const auto one_file = [&](const std::string& path) {
    return read_pairs_of_one_file(path, flags.source_field, flags.target_field, flags.skip_bad_lines);
  };
  const std::string& name = flags.pairs.empty() ? flags.source : flags.pairs;
  parallel_lines all =
      flags.pairs.empty() ? read_pairs(flags.source, flags.target, flags.skip_bad_lines) : one_file(flags.pairs);
  if (!flags.validation_pairs.empty()) return {std::move(all), one_file(flags.validation_pairs)};
  if (!flags.validation_source.empty())
    return {std::move(all), read_pairs(flags.validation_source, flags.validation_target, flags.skip_bad_lines)};
  constexpr std::size_t one_in = 50;
  if (all.source.size() < 2) refuse_file(name, "at least two lines, one of them to validate on", "one");
  divided_lines divided;
  for (std::size_t i = 0; i < all.source.size(); ++i) {
    parallel_lines& side = i % one_in == 1 ? divided.held_out : divided.learn;
    side.source.push_back(std::move(all.source[i]));
    side.target.push_back(std::move(all.target[i]));
  }
  return divided;
}

}  // namespace qkv::cli
