// Dropout whose mask is a pure function of a seed, a stream and the element's number, so that the backward makes it
// again.
#pragma once
#include "qkv/base/random.h"
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// y_i = x_i / (1 - probability) where the i-th 32 bits of `random` say keep, else exactly 0.  It is linear and its own
/// backward: dx = dropout(dy, probability, random) with the same stream.  Use another stream for each layer and step.
/// @param probability  of dropping, in 0 .. 1; 0 returns the values unchanged, 1 zeros
/// @throws shape_error "dropout: expected a probability in 0 .. 1; found 1.5"
/// Source: Srivastava et al. 2014; counters: Salmon et al. 2011.
tensor dropout(const tensor& x, double probability, random_stream random);
void dropout_into(const tensor& y, const tensor& x, double probability, random_stream random,
                  writing write = writing::replace);  ///< y may be x

}  // namespace qkv
