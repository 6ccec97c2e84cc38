// The linear layer y = x W^T, with what usually follows it done while the result is still in registers or L1.
#pragma once
#include "qkv/kernels/activation.h"
#include "qkv/ops/packed_weight.h"
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// What follows the product: y = residual + activate(x W^T + bias).  Empty tensors and `none` leave that part out.
struct linear_epilogue {
  tensor bias = {};  ///< [O]
  activation activate = activation::none;
  tensor before = {};    ///< [..., O], receives x W^T + bias: the backward of an activation needs it
  tensor residual = {};  ///< [..., O], added last; may be the result's own memory
};

/// Linear layer.
///
///   I input width   O output width   ... leading axes, flattened to N rows
///
/// @param x  [..., I] float32, any strides   @param weight  [O, I] float32, any strides
/// @returns [..., O]
/// @throws shape_error "linear: expected x [..., 128]; found [2, 64]"
/// Cost: 2 N I O flops; memory: packed copies of x and of the weight while it runs.  A few rows read the weight in
/// place, once, at the speed of memory.
tensor linear(const tensor& x, const tensor& weight, const linear_epilogue& epilogue = {});
tensor linear(const tensor& x, const packed_weight& weight, const linear_epilogue& epilogue = {});

/// The same into y [..., O], whose last axis has unit stride.  y and `before` lie apart from what is read.
void linear_into(const tensor& y, const tensor& x, const tensor& weight, const linear_epilogue& epilogue = {});
void linear_into(const tensor& y, const tensor& x, const packed_weight& weight, const linear_epilogue& epilogue = {});

/// What follows the product dy W: dx = (dy W) * derivative of `through` at `before`.  So the gradient arrives below the
/// activation that made x without a pass of its own:
///   hidden = activate(before), y = hidden W^T   gives   d before = (dy W) * activate'(before).
struct linear_backward_epilogue {
  activation through = activation::none;
  tensor before = {};                ///< [..., I]; needed when `through` is not none
  writing write = writing::replace;  ///< add: dx += ...
};

/// Gradient for the input.  @param dy  [..., O]   @param weight  [O, I]   @returns dx [..., I]
tensor linear_backward_input(const tensor& dy, const tensor& weight, const linear_backward_epilogue& epilogue = {});
void linear_backward_input_into(const tensor& dx, const tensor& dy, const tensor& weight,
                                const linear_backward_epilogue& epilogue = {});

/// Gradient for the weight: dweight [O, I] += dy^T x (or = ).  @param dy  [..., O]   @param x  [..., I]
void linear_backward_weight(const tensor& dweight, const tensor& dy, const tensor& x, writing write = writing::add);

/// Gradient for the bias: dbias [O] += sum of dy [..., O] over all rows (or = ).
void linear_backward_bias(const tensor& dbias, const tensor& dy, writing write = writing::add);

}  // namespace qkv
