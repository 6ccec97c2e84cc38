// Kernels of depthwise convolutions: one row of channels at a time.
#pragma once
#include "qkv/base/instruction_set.h"

namespace qkv {

struct convolution_kernels {
  /// y[j] = (or +=) bias[j] + sum over k < taps of w[k * w_stride + j] * x[k * x_stride + j]; bias may be null.
  void (*convolve)(float* y, const float* x, long x_stride, const float* w, long w_stride, long taps, const float* bias,
                   long n, bool accumulate);
  /// y[j] += sum over i < rows of a[i * a_stride + j] * b[i * b_stride + j], in order of i.
  void (*add_products)(float* y, const float* a, long a_stride, const float* b, long b_stride, long rows, long n);
};
QKV_KERNEL_TABLE(convolution_kernels, convolution)

}  // namespace qkv
