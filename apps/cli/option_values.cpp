#include "apps/cli/option_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstdint>

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

CLI::Validator a_seed() {
  return CLI::Validator(
      [](std::string& text) {
        std::uint64_t number = 0;
        const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
        const bool fits = problem == std::errc() && end == text.data() + text.size();
        return fits ? "" : fmt::format("expected a whole number from 0 to {}; found {}", ~std::uint64_t{0}, text);
      },
      "", "a_seed");
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
