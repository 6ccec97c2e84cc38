// Texts of random tokens, and the loss of translating them.
#pragma once
#include "qkv/base/random.h"
#include "qkv/train/translation_task.h"

namespace qkv {

using texts = std::vector<std::vector<std::int32_t>>;

inline constexpr text_frame frame{.begin = 1, .end = 2};

/// Texts of these lengths, without the tokens below 3.
inline texts random_texts(std::initializer_list<long> lengths, long vocabulary, std::uint64_t stream) {
  texts all;
  std::uint64_t n = 0;
  for (const long length : lengths) {
    all.emplace_back();
    for (long i = 0; i < length; ++i)
      all.back().push_back(std::int32_t(3 + random_stream{3, stream}.below(n++, std::uint64_t(vocabulary - 3))));
  }
  return all;
}

inline double loss_of(const sequence_to_sequence& model, const texts& source, const texts& target) {
  const no_gradient values_only;
  return model.loss(framed(source, target, frame), 0, {}).value().item();
}

/// The loss of a packed batch is the mean over the tokens of its pairs' own losses.
inline double loss_pair_by_pair(const sequence_to_sequence& model, const texts& source, const texts& target) {
  double sum = 0;
  long tokens = 0;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const long count = long(target[i].size()) + 1;
    sum += double(count) * loss_of(model, {source[i]}, {target[i]});
    tokens += count;
  }
  return sum / double(tokens);
}

}  // namespace qkv
