#include "apps/cli/parallel_lines.h"

#include <fmt/format.h>

#include "apps/cli/train_flags.h"
#include "qkv/base/error.h"
#include "qkv/io/text_file.h"
#include "qkv/io/utf8.h"
#include "qkv/tokens/training.h"

namespace qkv::cli {
namespace {

std::string bytes_of(const std::string& path) {
  if (std::filesystem::is_directory(path)) refuse_file(path, "a text", "a folder");
  std::ifstream in(path, std::ios::binary);
  if (!in) refuse_file(path, "a text", "no file of that name that can be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

/// What is wrong with a line; empty where nothing is.
std::string fault_of(const std::string& line) {
  if (line.find_first_not_of(" \t\r") == std::string::npos) return "an empty line";
  const std::size_t valid = valid_utf8_length(line);
  return valid < line.size() ? fmt::format("a byte that is not UTF-8 at column {}", valid + 1) : "";
}

}  // namespace

parallel_lines read_pairs(const std::string& source, const std::string& target, bool skip_bad) {
  auto first = lines_of(bytes_of(source)), second = lines_of(bytes_of(target));
  if (first.size() != second.size())
    throw file_error(fmt::format("expected as many lines in {} as in {}, {}; found {}", target, source, first.size(),
                                 second.size()));
  parallel_lines good;
  long skipped = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const std::string in_first = fault_of(first[i]), in_second = fault_of(second[i]);
    if (in_first.empty() && in_second.empty()) {
      good.source.push_back(std::move(first[i]));
      good.target.push_back(std::move(second[i]));
      continue;
    }
    if (!skip_bad)
      throw file_error(fmt::format("{}, line {}: expected a text in UTF-8; found {} (--skip-bad-lines leaves such pairs out)",
                                   in_first.empty() ? target : source, i + 1, in_first.empty() ? in_second : in_first));
    ++skipped;
  }
  if (skipped > 0)
    fmt::print(stderr, "qkv train: {} of {} pairs of {} have an empty or damaged line and are left out\n", skipped,
               first.size(), source);
  if (good.source.empty()) refuse_file(source, "at least one line", "none");
  return good;
}

divided_lines read_parallel_lines(const train_flags& flags) {
  parallel_lines all = read_pairs(flags.source, flags.target, flags.skip_bad_lines);
  if (!flags.validation_source.empty())
    return {std::move(all), read_pairs(flags.validation_source, flags.validation_target, flags.skip_bad_lines)};
  constexpr std::size_t one_in = 50;
  if (all.source.size() < 2) refuse_file(flags.source, "at least two lines, one of them to validate on", "one");
  divided_lines divided;
  for (std::size_t i = 0; i < all.source.size(); ++i) {
    parallel_lines& side = i % one_in == 1 ? divided.held_out : divided.learn;
    side.source.push_back(std::move(all.source[i]));
    side.target.push_back(std::move(all.target[i]));
  }
  return divided;
}

}  // namespace qkv::cli
