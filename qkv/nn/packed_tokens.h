// Sequences of different lengths without padding: end to end in one row, so that no work is done for what is not there.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {

///   B sequences   N tokens of all of them
struct packed_tokens {
  tensor ids;                 ///< [1, N] int32
  tensor positions;           ///< [1, N] int32: each token's place in its own sequence, from 0
  std::vector<long> offsets;  ///< [B + 1]: sequence b is tokens offsets[b] to offsets[b + 1]

  long sequences() const { return long(offsets.size()) - 1; }
  long tokens() const { return offsets.back(); }
  long longest() const;
};

/// @throws shape_error where there is no token at all
packed_tokens pack(std::span<const std::vector<std::int32_t>> sequences);

}  // namespace qkv
