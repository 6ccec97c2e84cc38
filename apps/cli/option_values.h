// What options take: numbers, and words that stand for values.
#pragma once
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace qkv::cli {

/// Of an option that is a number: from low to high; nan is no number.
CLI::Validator number_between(double low, double high);

/// Of an option that is a seed: from 0 to 2^64 - 1, in digits.
CLI::Validator a_seed();

/// Of an option that is one of these words.
CLI::Validator one_of(std::vector<std::string> words);

template <class Value>
using words_for = std::vector<std::pair<std::string, Value>>;

/// An option that is one of several words, each for a value: for nothing else, the value's number least of all.
/// @param chosen  of that type, or an optional one
template <class Chosen, class Value>
CLI::Option* add_choice(CLI::App& command, const std::string& name, Chosen& chosen, const words_for<Value>& choices,
                        const std::string& what) {
  std::vector<std::string> words;
  for (const auto& [word, value] : choices) words.push_back(word);
  const auto choose = [&chosen, choices](const std::string& word) {
    chosen = std::ranges::find(choices, word, &std::pair<std::string, Value>::first)->second;
  };
  return command.add_option_function<std::string>(name, choose, what)->check(one_of(std::move(words)));
}

/// Words in the order of an enum.
template <class Enum, std::size_t N>
words_for<Enum> in_order(const std::array<const char*, N>& words) {
  words_for<Enum> choices;
  for (const char* word : words) choices.emplace_back(word, Enum(choices.size()));
  return choices;
}

/// One that has a default of its own: what is chosen as it is.
template <class Enum, std::size_t N>
CLI::Option* add_choice(CLI::App& command, const std::string& name, Enum& chosen,
                        const std::array<const char*, N>& words, const std::string& what) {
  return add_choice(command, name, chosen, in_order<Enum>(words), what)->default_str(words[std::size_t(chosen)]);
}

/// One whose default is that of the kind of model.
template <class Enum, std::size_t N>
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::optional<Enum>& chosen,
                        const std::array<const char*, N>& words, const std::string& what) {
  return add_choice(command, name, chosen, in_order<Enum>(words), what);
}

}  // namespace qkv::cli
