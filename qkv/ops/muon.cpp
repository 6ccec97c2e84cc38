#include "qkv/ops/muon.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "qkv/ops/matmul.h"
#include "qkv/ops/rows.h"
#include "qkv/ops/scale.h"
#include "qkv/ops/squared_norm.h"

namespace qkv {
namespace {

constexpr const char* op = "muon";

void check(const muon_parameter& p) {
  expect_rank(p.value, 2, op, "a matrix [R, C]");
  expect_shape(p.gradient, p.value.shape(), op, "gradient");
  expect_shape(p.momentum, p.value.shape(), op, "momentum");
}

/// X <- a X + (b A + c A A) X, A = X X^T.
tensor round_of_newton_schulz(const tensor& x) {
  constexpr float a = 3.4445f, b = -4.7750f, c = 2.0315f;
  const tensor squares = matmul(x, x.transpose(0, 1));
  const tensor factor = scaled(matmul(squares, squares), c);
  scale_into(factor, squares, b, writing::add);
  const tensor next = scaled(x, a);
  matmul_into(next, factor, x, writing::add);
  return next;
}

}  // namespace

tensor orthogonalised(const tensor& m) {
  expect_rank(m, 2, op, "a matrix [R, C]");
  if (m.size() == 0) return m.clone();
  const bool upright = m.dim(0) > m.dim(1);
  constexpr double never_zero = 1e-7;
  const double norm = std::sqrt(squared_norm(std::array{m}));
  tensor x = scaled(upright ? m.transpose(0, 1).to_contiguous() : m, float(1 / (norm + never_zero)));
  for (int round = 0; round < 5; ++round) x = round_of_newton_schulz(x);
  return upright ? x.transpose(0, 1).to_contiguous() : x;
}

void muon_step(std::span<const muon_parameter> parameters, const muon_options& options) {
  for (const muon_parameter& p : parameters) {
    check(p);
    const tensor ahead = scaled(p.gradient, float(options.gradient_scale));
    scale_into(p.momentum, p.momentum, float(options.momentum));
    scale_into(p.momentum, ahead, 1, writing::add);
    scale_into(ahead, p.momentum, float(options.momentum), writing::add);
    const double length = 0.2 * std::sqrt(double(std::max(p.value.dim(0), p.value.dim(1))));
    scale_into(p.value, p.value, float(1 - options.learning_rate * p.weight_decay));
    scale_into(p.value, orthogonalised(ahead), float(-options.learning_rate * length), writing::add);
  }
}

}  // namespace qkv
