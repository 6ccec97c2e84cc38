// layer_norm, rms_norm
#include "qkv/ops/layer_norm.h"
#include "qkv/ops/rms_norm.h"
#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

/// Layer norm of every row (centred), or RMS norm, in double; empty weight and bias are ones and zeros.
numbers normalized(const numbers& x, const numbers& weight, const numbers& bias, long width, bool centred) {
  numbers y(x.size());
  for (std::size_t start = 0; start < x.size(); start += std::size_t(width)) {
    double mean = 0, variance = 0;
    for (long j = 0; j < width; ++j) mean += centred ? x[start + std::size_t(j)] / double(width) : 0;
    for (long j = 0; j < width; ++j) variance += std::pow(x[start + std::size_t(j)] - mean, 2) / double(width);
    for (std::size_t j = 0; j < std::size_t(width); ++j)
      y[start + j] = (x[start + j] - mean) / std::sqrt(variance + 1e-5) * (weight.empty() ? 1 : weight[j]) +
                     (bias.empty() ? 0 : bias[j]);
  }
  return y;
}

const std::vector<shape> shapes = {{0, 4}, {1, 1}, {3, 7}, {2, 3, 16}, {5, 33}, {4, 128}, {300, 100}, {2, 1000}};

TEST(LayerNorm, NormalizesRows) {
  on_every_instruction_set([] {
    for (const shape& s : shapes) {
      const long width = s.back();
      const tensor x = random_tensor(s, 1, 3), w = random_tensor({width}, 2), b = random_tensor({width}, 3);
      expect_close(layer_norm(x, w, b), normalized(doubles(x), doubles(w), doubles(b), width, true), 5e-6);
      expect_close(layer_norm(x, w), normalized(doubles(x), doubles(w), {}, width, true), 5e-6);
      expect_close(layer_norm(x, {}), normalized(doubles(x), {}, {}, width, true), 5e-6);
      if (x.size() > 0)
        expect_close(layer_norm(with_gaps(x), w), normalized(doubles(x), doubles(w), {}, width, true), 5e-6);
    }
  });
}

TEST(RmsNorm, NormalizesRows) {
  on_every_instruction_set([] {
    for (const shape& s : shapes) {
      const long width = s.back();
      const tensor x = random_tensor(s, 1, 3), w = random_tensor({width}, 2);
      expect_close(rms_norm(x, w), normalized(doubles(x), doubles(w), {}, width, false), 5e-6);
      expect_close(rms_norm(turned(x), {}), normalized(doubles(x), {}, {}, width, false), 5e-6);
    }
  });
}

TEST(LayerNorm, IsExactForLargeMeans) {
  const tensor x = random_tensor({4, 64}, 1);
  for (float& v : x.values<float>()) v += 1000;
  expect_close(layer_norm(x, {}), normalized(doubles(x), {}, {}, 64, true), 1e-4);
}

TEST(LayerNorm, AddsTheResidualFirst) {
  on_every_instruction_set([] {
    const tensor x = random_tensor({5, 37}, 1), residual = random_tensor({5, 37}, 2), w = random_tensor({37}, 3);
    numbers total = doubles(x);
    for (std::size_t i = 0; i < total.size(); ++i) total[i] += doubles(residual)[i];
    const tensor y({5, 37});
    add_layer_norm_into(residual, y, x, residual, w);  // the sum over the residual itself
    expect_close(residual, total, 1e-6);
    expect_close(y, normalized(total, doubles(w), {}, 37, true), 5e-6);
    const tensor again({5, 37});
    add_rms_norm_into(again, y, x, tensor({5, 37}), w);
    expect_close(y, normalized(doubles(x), doubles(w), {}, 37, false), 5e-6);
  });
}

TEST(LayerNormBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    for (const shape& s : {shape{1, 1}, shape{3, 5}, shape{2, 3, 19}}) {
      const long width = s.back();
      const tensor x = random_tensor(s, 1), w = random_tensor({width}, 2), b = random_tensor({width}, 3),
                   g = random_tensor(s, 4);
      layer_norm_statistics statistics;
      layer_norm(x, w, b, 1e-5f, &statistics);
      const tensor dx = g.clone(), dw = tensor::full({width}, 1), db = tensor::full({width}, 1);
      layer_norm_backward_into(dx, dw, db, dx, x, w, statistics);  // dx over dy
      const auto value = [&](const numbers& vx, const numbers& vw, const numbers& vb) {
        return dot(normalized(vx, vw, vb, width, true), doubles(g));
      };
      const numbers nx = doubles(x), nw = doubles(w), nb = doubles(b);
      expect_close(dx, numerical_gradient([&](const numbers& v) { return value(v, nw, nb); }, nx), 2e-5);
      numbers to_w = numerical_gradient([&](const numbers& v) { return value(nx, v, nb); }, nw);
      numbers to_b = numerical_gradient([&](const numbers& v) { return value(nx, nw, v); }, nb);
      for (double& v : to_w) v += 1;
      for (double& v : to_b) v += 1;
      expect_close(dw, to_w, 2e-5);
      expect_close(db, to_b, 2e-5);
    }
  });
}

TEST(RmsNormBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    const tensor x = random_tensor({3, 21}, 1), w = random_tensor({21}, 2), g = random_tensor({3, 21}, 3);
    tensor inverse;
    rms_norm(x, w, 1e-5f, &inverse);
    const tensor dx = tensor::full({3, 21}, 1), dw(shape{21});
    rms_norm_backward_into(dx, dw, g, x, w, inverse, writing::add);
    const auto value = [&](const numbers& vx, const numbers& vw) {
      return dot(normalized(vx, vw, {}, 21, false), doubles(g));
    };
    numbers expected = numerical_gradient([&](const numbers& v) { return value(v, doubles(w)); }, doubles(x));
    for (double& v : expected) v += 1;
    expect_close(dx, expected, 2e-5);
    expect_close(dw, numerical_gradient([&](const numbers& v) { return value(doubles(x), v); }, doubles(w)), 2e-5);
  });
}

TEST(Norm, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor x = random_tensor({700, 130}, 1), g = random_tensor({700, 130}, 2), w = random_tensor({130}, 3);
  expect_same_bits_for_any_threads([&] {
    layer_norm_statistics statistics;
    const tensor y = layer_norm(x, w, w, 1e-5f, &statistics), dx({700, 130}), dw(shape{130}), db(shape{130});
    layer_norm_backward_into(dx, dw, db, g, x, w, statistics);
    return std::vector{y, dx, dw, db, rms_norm(x, w)};
  });
}

TEST(Norm, KeepsNanWithinItsRow) {
  const tensor x = random_tensor({3, 20}, 1);
  x.at<float>(1, 19) = NAN;
  const tensor y = layer_norm(x, {});
  EXPECT_FALSE(std::isnan(y.at<float>(0, 0)));
  EXPECT_TRUE(std::isnan(y.at<float>(1, 0)));
  EXPECT_FALSE(std::isnan(y.at<float>(2, 0)));
}

TEST(Norm, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(refusal([] {
              layer_norm(tensor({2, 128}), tensor({64}));
            }),
            "layer_norm: expected weight [128]; found [64]");
  EXPECT_EQ(refusal([] { rms_norm(tensor({2, 128}), tensor({64})); }), "rms_norm: expected weight [128]; found [64]");
  EXPECT_EQ(refusal([] {
              layer_norm_into(tensor({2, 3}), tensor({2, 4}), {});
            }),
            "layer_norm: expected y [2, 4]; found [2, 3]");
}

}  // namespace
}  // namespace qkv
