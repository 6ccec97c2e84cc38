#include "qkv/ops/fourier_mixing.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "qkv/ops/linear.h"
#include "qkv/ops/matmul.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "fourier_mixing";

/// Cosines and sines of whole multiples of 2 pi / n, over sqrt(n).
struct circle {
  std::vector<float> cosine, sine;
  explicit circle(long n) {
    for (long i = 0; i < n; ++i) {
      const double angle = 2 * std::numbers::pi * double(i) / double(n);
      cosine.push_back(float(std::cos(angle) / std::sqrt(double(n))));
      sine.push_back(float(std::sin(angle) / std::sqrt(double(n))));
    }
  }
};

/// [2 C, C]: a product with it gives cosine sums in the first half of the columns, sine sums in the other.
tensor channel_table(long width) {
  const circle points(width);
  const tensor table = tensor::uninitialized({2 * width, width});
  parallel_for(width, [&](long c, int) {
    float *cosine = &table.at<float>(c, 0), *sine = &table.at<float>(width + c, 0);
    for (long d = 0; d < width; ++d) {
      const auto i = std::size_t(c * d % width);
      cosine[d] = points.cosine[i], sine[d] = points.sine[i];
    }
  });
  return table;
}

/// [T, 2 T]: cosines for the first halves of the rows before it, minus sines for the others.
tensor token_table(long tokens) {
  const circle points(tokens);
  const tensor table = tensor::uninitialized({tokens, 2 * tokens});
  parallel_for(tokens, [&](long t, int) {
    float* row = &table.at<float>(t, 0);
    for (long s = 0; s < tokens; ++s) {
      const auto i = std::size_t(t * s % tokens);
      row[2 * s] = points.cosine[i], row[2 * s + 1] = -points.sine[i];
    }
  });
  return table;
}

}  // namespace

tensor fourier_mixing(const tensor& x) {
  tensor y = tensor::uninitialized(x.shape());
  fourier_mixing_into(y, x);
  return y;
}

void fourier_mixing_into(const tensor& y, const tensor& x, writing write) {
  expect_rank(x, 3, op, "x [B, T, C]");
  expect_shape(y, x.shape(), op, "y");
  expect_apart(y, x, op, "y", "x");
  const long batch = x.dim(0), tokens = x.dim(1), width = x.dim(2);
  if (x.size() == 0) return;
  // [B, T, 2 C] is [B, 2 T, C]: of each token first the cosine sums, then the sine sums.
  const tensor sums = linear(x, channel_table(width)).reshape({batch, 2 * tokens, width});
  const tensor table = token_table(tokens);
  for (long b = 0; b < batch; ++b) matmul_into(y.select(0, b), table, sums.select(0, b), write);
}

}  // namespace qkv
