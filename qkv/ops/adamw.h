// One step of AdamW, or of Adam, over all parameters.  Source: Loshchilov & Hutter 2019, algorithm 2, of which Adam
// with a penalty on the weights is the other half; Kingma & Ba 2015, algorithm 1.
#pragma once
#include <span>

#include "qkv/tensor/tensor.h"

namespace qkv {

/// A parameter with its gradient and moments: float32, contiguous, equal shapes.
struct adamw_parameter {
  tensor value, gradient, first_moment, second_moment;
  double weight_decay = 0;  ///< taken off the weights themselves: AdamW
  double penalty = 0;       ///< times the weights, added to their gradient: Adam
};

struct adamw_options {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double gradient_scale = 1;  ///< multiplies the gradients first: clipping costs no pass of its own
  long step = 1;              ///< counts from 1; it corrects the moments' bias
};

/// For every parameter p, with g = gradient_scale * gradient + penalty * p:
///   p -= rate * decay * p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
///   p -= rate * (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + epsilon)
/// Gradients are left as they are.
/// @throws shape_error "adamw: expected gradient [3, 4]; found [4, 3]"
/// Cost: one pass over the four tensors, all parameters in one call of parallel_for.
void adamw_step(std::span<const adamw_parameter> parameters, const adamw_options& options);

}  // namespace qkv
