// Kernels that treat every number alike, over spans.
#pragma once
#include "qkv/base/instruction_set.h"
#include "qkv/kernels/activation.h"

namespace qkv {

/// Results may be one of the operands' memory.  `accumulate`: += instead of =.
struct elementwise_kernels {
  void (*add)(float* y, const float* a, const float* b, long n);
  void (*multiply)(float* y, const float* a, const float* b, long n, bool accumulate);
  void (*scale)(float* y, const float* x, float factor, long n, bool accumulate);
  void (*activate)(float* y, const float* x, long n, activation f);
  void (*activate_backward)(float* dx, const float* dy, const float* x, long n, activation f, bool accumulate);
  void (*swiglu)(float* y, const float* gate, const float* up, long n);
  void (*swiglu_backward)(float* dgate, float* dup, const float* dy, const float* gate, const float* up, long n,
                          bool accumulate);
  /// y[j] = (or +=) sum of x[i * stride + j] over i < rows, in order of i.
  void (*sum_rows)(float* y, const float* x, long stride, long rows, long n, bool accumulate);
};
QKV_KERNEL_TABLE(elementwise_kernels, elementwise)

}  // namespace qkv
