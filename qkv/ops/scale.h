// A tensor times a number.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// factor * x, float32.  It is its own backward: dx = scaled(dy, factor).
tensor scaled(const tensor& x, float factor);
/// y = factor * x (or += ); y may be x.   @throws shape_error "scale: expected y [2]; found [3]"
void scale_into(const tensor& y, const tensor& x, float factor, writing write = writing::replace);

}  // namespace qkv
