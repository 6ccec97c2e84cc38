#include "apps/cli/option_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace qkv::cli {

CLI::Validator number_between(double low, double high) {
  return CLI::Validator(
      [=](std::string& text) {
        double number = 0;
        const bool fits = CLI::detail::lexical_cast(text, number) && low <= number && number <= high;  // nan does not
        return fits ? "" : fmt::format("expected a number from {} to {}; found {}", low, high, text);
      },
      fmt::format("FLOAT in [{} - {}]", low, high), "number_between");
}

CLI::Validator one_of(std::vector<std::string> words) {
  const std::string shown = fmt::format("{{{}}}", fmt::join(words, ","));
  return CLI::Validator(
      [words = std::move(words)](std::string& word) {
        if (std::ranges::find(words, word) != words.end()) return std::string();
        return fmt::format("expected one of {}; found {}", fmt::join(words, ", "), word);
      },
      shown, "one_of");
}

}  // namespace qkv::cli
