// Dropout of weights: each link is left out of the blend with a probability, and the others count for more.  Which links
// is a function of the seed and the link's place, so the backward pass draws the same ones again and nothing is stored.
#pragma once
#include <cstdint>

#include "qkv/base/error.h"
#include "qkv/numbers/hash.h"

namespace qkv {

/// A part: weights are dropped with probability `rate` after they were normalised, the rest divided by 1 - rate
/// (Vaswani et al. 2017, section 5.4, as in the authors' code).  Take another seed for each layer and step.
struct attention_dropout {
  double rate = 0;
  std::uint64_t seed = 0;

  attention_dropout() = default;
  attention_dropout(double r, std::uint64_t s) : rate(r), seed(s) {
    if (!(rate >= 0 && rate < 1)) refuse("attention_dropout", "a rate from 0 to below 1", std::to_string(rate));
  }
  /// What a kept weight is multiplied by.
  double factor() const { return 1 / (1 - rate); }
  /// A link is dropped when its draw is below this.
  std::uint32_t limit() const { return std::uint32_t(rate * 0x1p32); }

  /// A row's own random number, mixed into each of its links.
  std::uint32_t of_row(long batch, long head, long row) const {
    return std::uint32_t(hash_of(std::uint64_t(hash_of(seed, batch, head)), row, 1));
  }
  /// The draw of one link of the row, uniform in 32 bits; U is an unsigned number or a vector of them.
  template <class U>
  static U draw(U key, std::uint32_t of_row) {
    U x = key * 0x9E3779B1u + of_row;
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
  }
  bool drops(long batch, long head, long row, long key) const {
    return draw(std::uint32_t(key), of_row(batch, head, row)) < limit();
  }
};

}  // namespace qkv
