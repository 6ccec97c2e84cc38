// The length of a gradient, for clipping.  Source: Pascanu, Mikolov & Bengio 2013.
#pragma once
#include <span>

#include "qkv/tensor/tensor.h"

namespace qkv {

/// Sum of squares of all elements of all tensors (float32), accumulated in double in an order fixed by the shapes.
double squared_norm(std::span<const tensor> tensors);

/// The factor, at most 1, that brings gradients of this squared norm to the largest norm allowed:
/// min(1, largest / (norm + 1e-6)).  Pass it to adamw_step, or to scale_into.
double clipping_factor(double squared_norm, double largest_norm);

}  // namespace qkv
