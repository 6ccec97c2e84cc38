// The gate of SwiGLU feed-forward layers.  Source: Shazeer 2020, "GLU variants improve transformer".
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// silu(gate) * up.   @param gate  [..., F]   @param up  [..., F]; float32, rows may be slices of one [..., 2 F]
/// product
/// @throws shape_error "swiglu: expected up [2, 8]; found [2, 4]"
tensor swiglu(const tensor& gate, const tensor& up);
void swiglu_into(const tensor& y, const tensor& gate, const tensor& up);

/// dgate and dup, which may be slices of one [..., 2 F] gradient.
void swiglu_backward_into(const tensor& dgate, const tensor& dup, const tensor& dy, const tensor& gate,
                          const tensor& up, writing write = writing::replace);

}  // namespace qkv
