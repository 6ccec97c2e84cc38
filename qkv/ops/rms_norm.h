// Root-mean-square normalization, with the residual sum before it fused in.  Source: Zhang & Sennrich 2019.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// y = x / sqrt(mean(x^2) + epsilon) * weight, over the last axis.
///
///   D width   ... leading axes, flattened to N rows
///
/// @param x  [..., D] float32   @param weight  [D], empty means ones
/// @param inverse_root  when given, receives 1 / sqrt(mean(x^2) + epsilon), [N], for the backward
/// @throws shape_error "rms_norm: expected weight [128]; found [64]"
tensor rms_norm(const tensor& x, const tensor& weight, float epsilon = 1e-5f, tensor* inverse_root = nullptr);
void rms_norm_into(const tensor& y, const tensor& x, const tensor& weight, float epsilon = 1e-5f,
                   tensor* inverse_root = nullptr);

/// sum = x + residual and y = rms_norm(sum), in one pass.  sum may be x or residual.
void add_rms_norm_into(const tensor& sum, const tensor& y, const tensor& x, const tensor& residual,
                       const tensor& weight, float epsilon = 1e-5f, tensor* inverse_root = nullptr);

/// dx (replaced or added to) and dweight, which is added to; an empty gradient is left out.  dx may be dy.
void rms_norm_backward_into(const tensor& dx, const tensor& dweight, const tensor& dy, const tensor& x,
                            const tensor& weight, const tensor& inverse_root, writing write_dx = writing::replace);

}  // namespace qkv
