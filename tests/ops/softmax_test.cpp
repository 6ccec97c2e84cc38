#include "qkv/ops/softmax.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

numbers softmax_of_rows(const numbers& x, long width) {
  numbers y(x.size());
  for (std::size_t start = 0; start < x.size(); start += std::size_t(width)) {
    double most = -INFINITY, total = 0;
    for (std::size_t j = 0; j < std::size_t(width); ++j) most = std::max(most, x[start + j]);
    for (std::size_t j = 0; j < std::size_t(width); ++j) total += y[start + j] = std::exp(x[start + j] - most);
    for (std::size_t j = 0; j < std::size_t(width); ++j) y[start + j] /= total;
  }
  return y;
}

TEST(Softmax, IsNormalizedExponentialsOfEveryRow) {
  on_every_instruction_set([] {
    for (const shape& s : {shape{0, 3}, shape{1, 1}, shape{3, 7}, shape{2, 3, 33}, shape{40, 1000}}) {
      const tensor x = random_tensor(s, 1, 5);
      const numbers expected = softmax_of_rows(doubles(x), s.back());
      expect_close(softmax_rows(x), expected, 1e-6);
      if (x.size() > 0) expect_close(softmax_rows(with_gaps(x)), expected, 1e-6);
      softmax_rows_into(x, x);
      expect_close(x, expected, 1e-6);
    }
  });
}

TEST(Softmax, TreatsInfinitiesAndNanAsDocumented) {
  on_every_instruction_set([] {
    for (const long width : {3l, 20l, 35l}) {
      const tensor x = tensor::full({4, width}, -INFINITY);
      x.at<float>(1, 0) = 3;
      x.at<float>(2, width - 1) = INFINITY;
      x.at<float>(3, 1) = NAN;
      const tensor y = softmax_rows(x);
      for (long j = 0; j < width; ++j) {
        EXPECT_EQ(y.at<float>(0, j), 0);
        EXPECT_EQ(y.at<float>(1, j), j == 0 ? 1 : 0);
        EXPECT_TRUE(std::isnan(y.at<float>(3, j)));
      }
      EXPECT_TRUE(std::isnan(y.at<float>(2, width - 1)));
    }
    expect_close(softmax_rows(tensor({1, 2}, {1e30, 1e30})), {0.5, 0.5}, 1e-7);
  });
}

TEST(SoftmaxBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    for (const shape& s : {shape{1, 1}, shape{3, 5}, shape{2, 37}}) {
      const tensor x = random_tensor(s, 1), g = random_tensor(s, 2), y = softmax_rows(x), dx = tensor::full(s, 1);
      numbers expected = numerical_gradient(
          [&](const numbers& v) { return dot(softmax_of_rows(v, s.back()), doubles(g)); }, doubles(x));
      expect_close(softmax_rows_backward(g, y), expected, 2e-6);
      for (double& e : expected) e += 1;
      softmax_rows_backward_into(dx, g, y, writing::add);
      expect_close(dx, expected, 2e-6);
    }
  });
}

TEST(Softmax, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor x = random_tensor({300, 130}, 1);
  expect_same_bits_for_any_threads([&] {
    const tensor y = softmax_rows(x);
    return std::vector{y, softmax_rows_backward(x, y)};
  });
}

TEST(Softmax, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(refusal([] {
              softmax_rows_into(tensor({2, 3}), tensor({3, 2}));
            }),
            "softmax: expected y [3, 2]; found [2, 3]");
}

}  // namespace
}  // namespace qkv
