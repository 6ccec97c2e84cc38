// One step of stochastic gradient descent with momentum over all parameters.  Source: Robbins & Monro 1951; Polyak
// 1964; in the form of Sutskever et al. 2013 that PyTorch has, where the velocity adds up gradients, not steps.
#pragma once
#include <span>

#include "qkv/tensor/tensor.h"

namespace qkv {

/// A parameter with its gradient and velocity: float32, contiguous, equal shapes.
struct sgd_parameter {
  tensor value, gradient, velocity;
  double penalty = 0;  ///< times the weights, added to their gradient
};

struct sgd_options {
  double learning_rate = 1e-2;
  double momentum = 0.9;
  double gradient_scale = 1;  ///< multiplies the gradients first: clipping costs no pass of its own
};

/// For every parameter p, with g = gradient_scale * gradient + penalty * p:
///   v = momentum v + g;  p -= rate * v
/// Gradients are left as they are.
/// @throws shape_error "sgd: expected gradient [3, 4]; found [4, 3]"
/// Cost: one pass over the three tensors, all parameters in one call of parallel_for.
void sgd_step(std::span<const sgd_parameter> parameters, const sgd_options& options);

}  // namespace qkv
