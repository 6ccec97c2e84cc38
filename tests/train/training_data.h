// What the tests of training share: a text with a rule in it, a small model, and options for short runs.
#pragma once
#include <gmock/gmock.h>

#include <vector>

#include "qkv/base/random.h"
#include "qkv/models/decoder.h"
#include "qkv/train/options.h"

namespace qkv {

inline decoder_config tiny_config() { return {.vocabulary = 8, .context = 16, .layers = 2, .heads = 2, .width = 32}; }

/// A text in which the next token follows from the one before it, but for a jump now and then.
inline std::vector<std::int32_t> text_with_a_rule(long length) {
  std::vector<std::int32_t> text{1};
  while (long(text.size()) < length) {
    const auto n = text.size();
    text.push_back((text[n - 1] * 5 + 3) % 8);
    if (n % 37 == 0) text.back() = std::int32_t(random_stream{5, 1}.below(n, 8));
  }
  return text;
}

inline training_options quick_options(long steps) {
  training_options options;
  options.steps = steps;
  options.warm_up = 10;
  options.batch = 8;
  options.learning_rate = 3e-3;
  options.interim_batches = options.final_batches = 5;
  return options;
}

inline std::vector<float> numbers_of(const decoder& model) {
  std::vector<float> all;
  model.visit("", [&](const std::string&, const variable& v) {
    all.insert(all.end(), v.value().values<float>().begin(), v.value().values<float>().end());
  });
  return all;
}

}  // namespace qkv
