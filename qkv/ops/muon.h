// Muon: a step of matrices along their momentum, made orthogonal.  Source: Jordan et al. 2024, "Muon: an optimizer for
// hidden layers in neural networks"; the length of a step, as long as one of AdamW, Liu et al. 2025, arXiv:2502.16982.
#pragma once
#include <span>

#include "qkv/tensor/tensor.h"

namespace qkv {

/// A matrix near to U V^T, where m = U S V^T is its singular value decomposition: five rounds of the quintic
/// Newton-Schulz iteration X <- a X + (b X X^T + c (X X^T)^2) X of m over its Frobenius norm, with Jordan's
/// a, b, c = 3.4445, -4.7750, 2.0315, which bring singular values into about 0.7 .. 1.2, not to 1.
/// @param m  [R, C] float32
/// @throws shape_error "muon: expected a matrix [R, C]; found [3]"
/// Cost: 5 (4 r^2 c + 2 r^3) flops, r the shorter side and c the longer.
tensor orthogonalised(const tensor& m);

/// A matrix with its gradient and momentum: float32, contiguous, equal shapes [R, C].
struct muon_parameter {
  tensor value, gradient, momentum;
  double weight_decay = 0;
};

struct muon_options {
  double learning_rate = 1e-3;
  double momentum = 0.95;
  double gradient_scale = 1;  ///< multiplies the gradients first
};

/// For every matrix p, with g = gradient_scale * gradient:
///   m = momentum m + g;  o = orthogonalised(g + momentum m)        (Nesterov's look ahead)
///   p = (1 - rate * decay) p - rate * 0.2 sqrt(max(R, C)) o
/// Gradients are left as they are.
/// @throws shape_error "muon: expected gradient [3, 4]; found [4, 3]"
void muon_step(std::span<const muon_parameter> parameters, const muon_options& options);

}  // namespace qkv
