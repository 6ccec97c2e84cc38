// Which tokens a step learns from: a pure function of (seed, step, index), so that a run that is resumed, or split
// over threads, sees what an uninterrupted one sees.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "qkv/base/random.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// Tokens and, for each, the one that follows it: both [B, T] int32.
struct token_batch {
  tensor tokens, targets;
};

/// `sequences` pieces of `length` tokens, each from a random place of `text`; those of step s are numbers
/// s * sequences and on of the stream.   @throws shape_error when the text has fewer than length + 1 tokens
token_batch random_batch(std::span<const std::int32_t> text, long sequences, long length, random_stream order,
                         long step);

/// Shuffles by Fisher and Yates, with draws first, first + 1, ... of the stream.
template <class T>
void shuffle(std::vector<T>& items, random_stream order, std::uint64_t first = 0) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[order.below(first + i, i)]);
}

/// The first nine tenths to learn from, the rest to validate on.
struct split_text {
  std::span<const std::int32_t> learn, validate;
};
split_text split_for_validation(std::span<const std::int32_t> text, double validation_share = 0.1);

}  // namespace qkv
