#include "apps/cli/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apps/cli/learned_tokenizer.h"
#include "apps/cli/parallel_lines.h"
#include "qkv/base/error.h"
#include "qkv/tokens/training.h"

namespace qkv::cli {
namespace {

struct labelled_lines {
  std::vector<std::string> labels, texts;
};

/// What is wrong with a line of a class, a tab and a text; empty where nothing is.
std::string fault_of_labelled(const std::string& line) {
  if (std::string fault = fault_of(line); !fault.empty()) return fault;
  const std::size_t tab = line.find('\t');
  if (tab == std::string::npos) return "no tab";
  if (tab == 0) return "no class";
  return line.find_first_not_of(" \t\r", tab) == std::string::npos ? "no text" : "";
}

labelled_lines read_lines(const std::string& path, bool skip_bad) {
  labelled_lines all;
  const auto lines = lines_of(bytes_of(path));
  std::size_t skipped = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    const std::string fault = fault_of_labelled(line);
    if (fault.empty()) {
      const std::size_t tab = line.find('\t');
      all.labels.push_back(line.substr(0, tab));
      all.texts.push_back(line.substr(tab + 1));
    } else if (skip_bad) {
      ++skipped;
    } else {
      throw file_error(fmt::format("{}, line {}: expected a class, a tab and a text; found {} (--skip-bad-lines leaves "
                                   "such lines out)",
                                   path, i + 1, fault));
    }
  }
  say_left_out(skipped, lines.size(), path);
  return all;
}

/// The classes in the order of their names, each with its number.
std::map<std::string, std::int32_t> numbered(const std::vector<std::string>& labels) {
  std::map<std::string, std::int32_t> classes;
  for (const std::string& label : labels) classes[label] = 0;
  for (std::int32_t number = 0; auto& [name, own] : classes) own = number++;
  return classes;
}

tokenizer learned_from(const train_flags& flags, std::span<const std::string> texts) {
  return learned_tokenizer({.kind = flags.tokens.empty() ? "words" : flags.tokens,
                            .vocabulary = flags.vocabulary,
                            .lower_case = flags.lower_case},
                           texts, {special_token::unknown});
}

long tokens_read(const train_flags& flags, const std::vector<std::vector<std::int32_t>>& texts) {
  if (flags.sizes.context) return std::max(1L, *flags.sizes.context - 1);
  std::vector<std::size_t> lengths;
  for (const auto& text : texts) lengths.push_back(text.size());
  std::ranges::sort(lengths);
  return std::clamp(long(lengths[std::size_t(0.98 * double(lengths.size() - 1))]), 1L, 255L);
}

}  // namespace

text_table read_text_table(const train_flags& flags, const tokenizer* as) {
  const labelled_lines lines = read_lines(flags.labelled, flags.skip_bad_lines);
  const auto classes = numbered(lines.labels);
  if (classes.size() < 2) refuse_file(flags.labelled, "texts of two classes or more", std::to_string(classes.size()));
  text_table all;
  for (const auto& [name, number] : classes) all.classes.push_back(name);
  all.tokens = as ? *as : learned_from(flags, lines.texts);
  auto tokens = all.tokens->encode_each(lines.texts);
  all.longest = tokens_read(flags, tokens);
  std::vector<std::vector<std::int32_t>> learn, test;
  std::vector<std::int32_t> learn_targets, test_targets;
  std::vector<long> seen(classes.size());
  long cut = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int32_t target = classes.at(lines.labels[i]);
    if (tokens[i].empty()) continue;
    cut += long(tokens[i].size()) > all.longest;
    tokens[i].resize(std::min(tokens[i].size(), std::size_t(all.longest)));
    const bool held_out = ++seen[std::size_t(target)] % 10 == 0;
    (held_out ? test : learn).push_back(std::move(tokens[i]));
    (held_out ? test_targets : learn_targets).push_back(target);
  }
  if (cut > 0)
    fmt::print(stderr, "qkv: of {} of {} texts only the first {} tokens are read (--context)\n", cut, tokens.size(),
               all.longest);
  if (test.empty())
    refuse_file(flags.labelled, "ten texts of a class or more, of which every tenth is held out", "fewer");
  divided_examples divided =
      with_some_kept_apart(std::make_shared<labelled_texts>(std::move(learn), std::move(learn_targets)));
  all.learn = std::move(divided.learn), all.validate = std::move(divided.validate);
  all.test = std::make_unique<labelled_texts>(std::move(test), std::move(test_targets));
  return all;
}

}  // namespace qkv::cli
