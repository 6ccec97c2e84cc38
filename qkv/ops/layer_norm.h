// Layer normalization, with the residual sum before it fused in.  Source: Ba, Kiros & Hinton 2016.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// What layer_norm leaves for its backward: of each row, the mean and 1 / sqrt(variance + epsilon).
struct layer_norm_statistics {
  tensor mean, inverse_deviation;  ///< [N] float32
};

/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias, over the last axis, the variance divided by D.
///
///   D width   ... leading axes, flattened to N rows
///
/// @param x  [..., D] float32   @param weight  [D], empty means ones   @param bias  [D], empty means zeros
/// @param statistics  filled when given (tensors of the right size are reused)
/// @throws shape_error "layer_norm: expected weight [128]; found [64]"
tensor layer_norm(const tensor& x, const tensor& weight, const tensor& bias = {}, float epsilon = 1e-5f,
                  layer_norm_statistics* statistics = nullptr);
void layer_norm_into(const tensor& y, const tensor& x, const tensor& weight, const tensor& bias = {},
                     float epsilon = 1e-5f, layer_norm_statistics* statistics = nullptr);

/// sum = x + residual and y = layer_norm(sum), in one pass.  sum may be x or residual.
void add_layer_norm_into(const tensor& sum, const tensor& y, const tensor& x, const tensor& residual,
                         const tensor& weight, const tensor& bias = {}, float epsilon = 1e-5f,
                         layer_norm_statistics* statistics = nullptr);

/// dx (replaced, or added to: the residual path joins here at no cost), and dweight, dbias, which are added to.
/// Empty gradients are left out.  dx may be dy.
void layer_norm_backward_into(const tensor& dx, const tensor& dweight, const tensor& dbias, const tensor& dy,
                              const tensor& x, const tensor& weight, const layer_norm_statistics& statistics,
                              writing write_dx = writing::replace);

}  // namespace qkv
