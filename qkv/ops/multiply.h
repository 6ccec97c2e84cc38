// Products element by element.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// a * b, equal shapes, float32.   @throws shape_error "multiply: expected b [2, 3]; found [3, 2]"
tensor multiply(const tensor& a, const tensor& b);
void multiply_into(const tensor& y, const tensor& a, const tensor& b);  ///< y may be a or b

/// da = dy * b, db = dy * a (or += ); an empty one is left out.
void multiply_backward_into(const tensor& da, const tensor& db, const tensor& dy, const tensor& a, const tensor& b,
                            writing write = writing::replace);

}  // namespace qkv
