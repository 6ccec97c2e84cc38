// Sums of tensors.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// a + b.  b has a's shape, or the shape of a's last axes (as positions [T, D] added to [B, T, D]) and is repeated over
/// the leading ones.  float32.
/// @throws shape_error "add: expected b [2, 3] or its last axes; found [3, 2]"
tensor add(const tensor& a, const tensor& b);
void add_into(const tensor& y, const tensor& a, const tensor& b);  ///< y may be a or b

/// Gradient for b where it was repeated: db = sum of dy over the leading axes that b lacks (or += ), in order.
/// The gradient for a, and for b of the same shape, is dy itself.
void add_backward_into(const tensor& db, const tensor& dy, writing write = writing::add);

}  // namespace qkv
