#include "qkv/ops/sum.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

const std::vector<shape> shapes = {{0, 2, 3}, {1, 1, 1}, {2, 0, 3}, {3, 5, 7}, {2, 33, 1}, {4, 3, 2000}, {50, 70, 3}};

/// The sum over one axis, in double.
numbers sum_over(const numbers& x, const shape& s, int axis) {
  long after = 1;
  for (std::size_t i = std::size_t(axis) + 1; i < s.size(); ++i) after *= s[i];
  const long size = s[std::size_t(axis)], before = size * after == 0 ? 0 : long(x.size()) / (size * after);
  numbers y(std::size_t(size == 0 ? count_of(s) : before * after));
  for (long i = 0; i < before; ++i)
    for (long k = 0; k < size; ++k)
      for (long j = 0; j < after; ++j) y[std::size_t(i * after + j)] += x[std::size_t((i * size + k) * after + j)];
  return y;
}

TEST(Sum, SumsEverything) {
  on_every_instruction_set([] {
    for (const shape& s : shapes) {
      const tensor x = random_tensor(s, 1);
      double expected = 0;
      for (const double v : doubles(x)) expected += v;
      EXPECT_NEAR(sum(x), expected, 1e-9 * (1 + std::abs(expected)));
      if (x.size() > 0) { EXPECT_NEAR(mean(turned(x)), expected / double(x.size()), 1e-9); }
    }
    EXPECT_TRUE(std::isnan(mean(tensor(shape{0}))));
  });
}

TEST(Sum, SumsOverAnyAxis) {
  on_every_instruction_set([] {
    for (const shape& s : shapes)
      for (const int axis : {0, 1, 2}) {
        const tensor x = random_tensor(s, 1), y = sum(x, axis);
        numbers expected = s[std::size_t(axis)] == 0 ? numbers(std::size_t(y.size())) : sum_over(doubles(x), s, axis);
        expect_close(y, expected, 1e-5, to_string(s) + " over " + std::to_string(axis));
        expect_close(sum(x, axis - 3), expected, 1e-5);
        for (double& e : expected) e /= double(s[std::size_t(axis)]);
        expect_close(mean(x, axis), expected, 1e-5);
      }
  });
}

TEST(SumBackward, MatchesCentralDifferences) {
  const shape s{3, 4, 5};
  for (const int axis : {0, 1, 2}) {
    const tensor x = random_tensor(s, 1), g = random_tensor(sum(x, axis).shape(), 2), dx = tensor::full(s, 1);
    numbers expected =
        numerical_gradient([&](const numbers& v) { return 0.5 * dot(sum_over(v, s, axis), doubles(g)); }, doubles(x));
    for (double& e : expected) e += 1;
    sum_backward_into(dx, g, axis, 0.5f, writing::add);
    expect_close(dx, expected, 1e-6);
  }
}

TEST(Sum, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor x = random_tensor({30, 40, 50}, 1);
  expect_same_bits_for_any_threads([&] {
    return std::vector{sum(x, 0), sum(x, 1), sum(x, 2), tensor::full({1}, sum(x))};
  });
}

TEST(Sum, RefusesAxesThatAreNotThere) {
  EXPECT_EQ(refusal([] { sum(tensor({2, 3}), 2); }), "sum: expected an axis of a tensor with 2 axes; found 2");
}

}  // namespace
}  // namespace qkv
