// The mean of each packed sequence: pooling, and attention that weighs all tokens alike.
#pragma once
#include <span>

#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// Row b is the mean of rows offsets[b] .. offsets[b+1] - 1 of x; zeros where there are none.
///
/// @param x  [N, C] float32   @param offsets  [B+1], from 0 to N   @returns [B, C]
/// @throws shape_error "segment_mean: expected offsets that end at the 6 rows; found 5"
tensor segment_mean(const tensor& x, std::span<const long> offsets);
void segment_mean_into(const tensor& y, const tensor& x, std::span<const long> offsets);

/// dx [N, C]: every row of a sequence gets its share of dy [B, C].
void segment_mean_backward_into(const tensor& dx, const tensor& dy, std::span<const long> offsets,
                                writing write = writing::replace);

}  // namespace qkv
