// Softmax over the last axis.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// exp(x_i - max x) / sum_j exp(x_j - max x).   @param x  [..., D] float32
/// A row of -inf alone gives zeros (as a query that sees no key); a row with NaN or +inf gives NaN.
tensor softmax_rows(const tensor& x);
void softmax_rows_into(const tensor& y, const tensor& x);  ///< y may be x

/// dx = y * (dy - sum_j dy_j y_j).   @param y  what softmax returned
tensor softmax_rows_backward(const tensor& dy, const tensor& y);
void softmax_rows_backward_into(const tensor& dx, const tensor& dy, const tensor& y,
                                writing write = writing::replace);  ///< dx may be dy

}  // namespace qkv
