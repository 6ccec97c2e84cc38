#include "qkv/train/data_order.h"

#include <algorithm>

namespace qkv {

token_batch random_batch(std::span<const std::int32_t> text, long sequences, long length, random_stream order,
                         long step) {
  if (long(text.size()) < length + 1) {
    refuse("random_batch", "a text of at least " + std::to_string(length + 1) + " tokens", std::to_string(text.size()));
  }
  token_batch batch{tensor::uninitialized({sequences, length}, dtype::int32),
                    tensor::uninitialized({sequences, length}, dtype::int32)};
  auto* tokens = batch.tokens.data<std::int32_t>();
  auto* targets = batch.targets.data<std::int32_t>();
  for (long i = 0; i < sequences; ++i) {
    const auto draw = std::uint64_t(step) * std::uint64_t(sequences) + std::uint64_t(i);
    const auto* piece = text.data() + order.below(draw, text.size() - std::size_t(length));
    std::copy_n(piece, length, tokens + i * length);
    std::copy_n(piece + 1, length, targets + i * length);
  }
  return batch;
}

split_text split_for_validation(std::span<const std::int32_t> text, double validation_share) {
  const auto cut = std::size_t((1 - validation_share) * double(text.size()));
  return {text.first(cut), text.subspan(cut)};
}

}  // namespace qkv
