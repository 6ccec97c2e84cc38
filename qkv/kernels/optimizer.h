// Kernels over all parameters of a model: one step of AdamW, Adam or gradient descent, and sums of squares.
#pragma once
#include "qkv/base/instruction_set.h"

namespace qkv {

/// What does not change from number to number.  With g = gradient_scale * gradient + penalty * p:
///   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  p = keep p - rate m / (sqrt(v) * root_scale +
///   epsilon)
struct adamw_constants {
  float beta1, beta2, one_minus_beta1, one_minus_beta2;  ///< rounded from doubles: 1 - 0.999f would not be 0.001
  float gradient_scale;
  float penalty;
  float keep;        ///< 1 - learning rate * weight decay
  float rate;        ///< learning rate / (1 - beta1^step)
  float root_scale;  ///< 1 / sqrt(1 - beta2^step)
  float epsilon;
};

/// With g = gradient_scale * gradient + penalty * p:  v = momentum v + g;  p = p - rate v
struct sgd_constants {
  float momentum, gradient_scale, penalty, rate;
};

struct optimizer_kernels {
  void (*adamw)(float* p, const float* gradient, float* m, float* v, long n, const adamw_constants& c);
  void (*sgd)(float* p, const float* gradient, float* v, long n, const sgd_constants& c);
  /// Sum of squares, in double: squares of floats do not overflow there.
  double (*squared_norm)(const float* x, long n);
  double (*sum)(const float* x, long n);
};
QKV_KERNEL_TABLE(optimizer_kernels, optimizer)

}  // namespace qkv
