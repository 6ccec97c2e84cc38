#include "qkv/ops/depthwise_convolution.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

constexpr auto past = convolution_reach::past, centred = convolution_reach::centred;

numbers convolved(const numbers& x, const shape& s, const numbers& w, long taps, const numbers& bias,
                  convolution_reach reach) {
  numbers y(x.size());
  const long T = s[1], C = s[2], back = reach == past ? taps - 1 : taps / 2;
  for (long b = 0; b < s[0]; ++b)
    for (long t = 0; t < T; ++t)
      for (long c = 0; c < C; ++c) {
        double sum = bias.empty() ? 0 : bias[std::size_t(c)];
        for (long k = 0; k < taps; ++k) {
          const long from = t + k - back;
          if (from >= 0 && from < T) sum += w[std::size_t(k * C + c)] * x[std::size_t((b * T + from) * C + c)];
        }
        y[std::size_t((b * T + t) * C + c)] = sum;
      }
  return y;
}

const std::vector<shape> shapes = {{0, 3, 4}, {1, 1, 1}, {2, 0, 3}, {2, 5, 7}, {3, 9, 70}, {1, 40, 16}};

TEST(DepthwiseConvolution, FiltersEveryChannelByItself) {
  on_every_instruction_set([] {
    for (const shape& s : shapes)
      for (const long taps : {1, 2, 3, 7})
        for (const auto reach : {past, centred}) {
          const tensor x = random_tensor(s, 1), w = random_tensor({taps, s[2]}, 2), bias = random_tensor({s[2]}, 3);
          const auto expected = convolved(doubles(x), s, doubles(w), taps, doubles(bias), reach);
          expect_close(depthwise_convolution(x, w, bias, reach), expected, 3e-6);
          expect_close(depthwise_convolution(x, turned(w), {}, reach),
                       convolved(doubles(x), s, doubles(w), taps, {}, reach), 3e-6);
          if (x.size() > 0) expect_close(depthwise_convolution(with_gaps(x), w, bias, reach), expected, 3e-6);
        }
  });
}

TEST(DepthwiseConvolution, IsCausalWhenItSaysSo) {
  const tensor x = random_tensor({1, 6, 4}, 1), changed = x.clone(), w = random_tensor({3, 4}, 2);
  changed.at<float>(0, 3, 1) = NAN;
  const tensor a = depthwise_convolution(x, w), b = depthwise_convolution(changed, w);
  EXPECT_TRUE(same_bits(a.slice(1, 0, 3), b.slice(1, 0, 3)));
  EXPECT_TRUE(std::isnan(b.at<float>(0, 5, 1)));
}

TEST(DepthwiseConvolutionBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    for (const shape& s : {shape{1, 1, 3}, shape{2, 5, 7}, shape{1, 2, 9}})
      for (const long taps : {1, 4, 5})
        for (const auto reach : {past, centred}) {
          const tensor x = random_tensor(s, 1), w = random_tensor({taps, s[2]}, 2), bias = random_tensor({s[2]}, 3);
          const tensor dy = random_tensor(s, 4), dx(s), dw(w.shape()), db(bias.shape());
          depthwise_convolution_backward_into(dx, dw, db, dy, x, w, reach);
          const auto value = [&](const numbers& a, const numbers& b, const numbers& c) {
            return dot(convolved(a, s, b, taps, c, reach), doubles(dy));
          };
          const numbers X = doubles(x), W = doubles(w), B = doubles(bias);
          expect_close(dx, numerical_gradient([&](const numbers& v) { return value(v, W, B); }, X), 2e-5);
          expect_close(dw, numerical_gradient([&](const numbers& v) { return value(X, v, B); }, W), 2e-5);
          expect_close(db, numerical_gradient([&](const numbers& v) { return value(X, W, v); }, B), 2e-5);
          const numbers once = doubles(dx);
          depthwise_convolution_backward_into(dx, {}, {}, dy, x, w, reach, writing::add);
          numbers twice = once;
          for (double& e : twice) e *= 2;
          expect_close(dx, twice, 1e-6);
        }
  });
}

TEST(DepthwiseConvolution, HasTheSameBitsForAnyNumberOfThreads) {
  const shape s{3, 200, 70};
  const tensor x = random_tensor(s, 1), w = random_tensor({4, 70}, 2), dy = random_tensor(s, 3);
  expect_same_bits_for_any_threads([&] {
    const tensor dx(s), dw(w.shape()), db({70});
    depthwise_convolution_backward_into(dx, dw, db, dy, x, w, past);
    return std::vector{depthwise_convolution(x, w), dx, dw, db};
  });
}

TEST(DepthwiseConvolution, RefusesWhatDoesNotFit) {
  const tensor x({2, 5, 8});
  EXPECT_EQ(refusal([&] {
              depthwise_convolution(x, tensor({3, 4}));
            }),
            "depthwise_convolution: expected weight [K, 8]; found [3, 4]");
  EXPECT_EQ(refusal([&] {
              depthwise_convolution(x, tensor({3, 8}), tensor({4}));
            }),
            "depthwise_convolution: expected bias [8]; found [4]");
  EXPECT_EQ(refusal([&] {
              depthwise_convolution(tensor({5, 8}), tensor({3, 8}));
            }),
            "depthwise_convolution: expected x [B, T, C]; found [5, 8]");
  EXPECT_EQ(refusal([&] {
              depthwise_convolution_into(x, x, tensor({3, 8}));
            }),
            "depthwise_convolution: expected y in memory of its own; found memory of x");
}

}  // namespace
}  // namespace qkv
