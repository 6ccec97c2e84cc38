// Kernels of softmax and of cross-entropy's rows.
#pragma once
#include "qkv/base/instruction_set.h"

namespace qkv {

struct softmax_kernels {
  /// y = softmax of one row; y may be x.  A row of -inf alone gives zeros.
  void (*softmax)(float* y, const float* x, long n);
  /// dx = (or +=) y * (dy - sum dy y) of one row; dx may be dy.
  void (*softmax_backward)(float* dx, const float* dy, const float* y, long n, bool accumulate);
  /// log of the sum of exp of one row.
  float (*log_sum_exp)(const float* x, long n);
  /// dx = factor * exp(x - log_sum_exp) - less; dx may be x.
  void (*scaled_softmax)(float* dx, const float* x, float log_sum_exp, float factor, float less, long n);
  /// Sum of one row.
  float (*sum)(const float* x, long n);
};
QKV_KERNEL_TABLE(softmax_kernels, softmax_rows)

}  // namespace qkv
