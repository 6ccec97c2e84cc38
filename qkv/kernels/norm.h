// Kernels of layer and RMS normalization, over blocks of rows.
#pragma once
#include "qkv/base/instruction_set.h"

namespace qkv {

/// Rows of x, with a residual added first where there is one: sum = x + residual, y = normalized sum.
/// Null: residual and sum together, weight, bias, mean, inverse.
struct norm_forward {
  const float *x, *residual;
  float *sum, *y;
  long x_stride, residual_stride, sum_stride, y_stride;
  const float *weight, *bias;
  float *mean, *inverse;  ///< of each row: its mean (layer norm), 1 / its deviation or root mean square
  long rows, width;
  float epsilon;
};

/// Gradients of the same rows.  dweight and dbias are added to; dx is added to when `accumulate`.  Null: dx, dweight,
/// dbias, weight.
struct norm_backward {
  float *dx, *dweight, *dbias;
  const float *dy, *x, *weight, *mean, *inverse;
  long dx_stride, dy_stride, x_stride;
  long rows, width;
  bool accumulate;
};

struct norm_kernels {
  void (*layer_norm)(const norm_forward&);
  void (*layer_norm_backward)(const norm_backward&);
  void (*rms_norm)(const norm_forward&);
  void (*rms_norm_backward)(const norm_backward&);
};
QKV_KERNEL_TABLE(norm_kernels, norm)

}  // namespace qkv
