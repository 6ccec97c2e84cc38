// Sums and means, in an order fixed by the shape alone.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// The sum, or mean, of all elements, accumulated in double; the mean of nothing is NaN.
double sum(const tensor& x);
double mean(const tensor& x);

/// Over one axis, which disappears from the shape.  float32.
tensor sum(const tensor& x, int axis);
tensor mean(const tensor& x, int axis);

/// dx = factor * dy, repeated along `axis` (or += ).  factor 1 for sum, 1 / x.dim(axis) for mean.
void sum_backward_into(const tensor& dx, const tensor& dy, int axis, float factor = 1,
                       writing write = writing::replace);

}  // namespace qkv
