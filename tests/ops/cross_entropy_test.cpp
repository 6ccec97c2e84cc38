#include "qkv/ops/cross_entropy.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

/// Mean of logsumexp(row) - row[target] over the rows that count.
double loss_of(const numbers& logits, const tensor& targets, long classes, long ignored = ignored_target) {
  double total = 0;
  long count = 0;
  for (long n = 0; n < targets.size(); ++n) {
    const long target = targets.values<std::int32_t>()[std::size_t(n)];
    if (target == ignored) continue;
    double sum = 0;
    for (long c = 0; c < classes; ++c) sum += std::exp(logits[std::size_t(n * classes + c)]);
    total += std::log(sum) - logits[std::size_t(n * classes + target)];
    ++count;
  }
  return total / double(count);
}

numbers logits_of(const numbers& x, const numbers& w, long rows, long width, long classes) {
  numbers y(std::size_t(rows * classes));
  for (long n = 0; n < rows; ++n)
    for (long c = 0; c < classes; ++c)
      for (long d = 0; d < width; ++d)
        y[std::size_t(n * classes + c)] += x[std::size_t(n * width + d)] * w[std::size_t(c * width + d)];
  return y;
}

TEST(CrossEntropy, IsTheMeanOverRowsThatCount) {
  on_every_instruction_set([] {
    for (const long classes : {1l, 2l, 17l, 65l}) {
      const tensor logits = random_tensor({3, 4, classes}, 1, 3), targets = random_ids({3, 4}, 2, classes);
      EXPECT_NEAR(cross_entropy(logits, targets).loss, loss_of(doubles(logits), targets, classes), 2e-6);
      targets.at<std::int32_t>(1, 2) = ignored_target;
      const auto result = cross_entropy(logits, targets);
      EXPECT_NEAR(result.loss, loss_of(doubles(logits), targets, classes), 2e-6);
      EXPECT_EQ(result.count, 11);
    }
  });
}

TEST(CrossEntropy, IsNanWhenNoRowCounts) {
  const tensor logits = random_tensor({2, 3}, 1), targets = tensor::full({2}, 7, dtype::int32),
               d = random_tensor({2, 3}, 2);
  const auto result = cross_entropy(logits, targets, {.ignore_index = 7});
  EXPECT_TRUE(std::isnan(result.loss));
  cross_entropy_backward_into(d, logits, targets, result, 1, {.ignore_index = 7});
  expect_close(d, numbers(6, 0.0), 0);
  EXPECT_TRUE(std::isnan(cross_entropy(tensor({0, 3}), tensor(shape{0}, dtype::int32)).loss));
}

TEST(CrossEntropy, StaysFiniteForLargeLogitsAndKeepsNan) {
  on_every_instruction_set([] {
    const tensor logits({2, 2}, {1e30, -1e30, 5, NAN}), targets(shape{2}, std::vector<std::int32_t>{0, 0});
    EXPECT_EQ(cross_entropy(logits.slice(0, 0, 1), targets.slice(0, 0, 1)).loss, 0);
    EXPECT_TRUE(std::isnan(cross_entropy(logits, targets).loss));
  });
}

TEST(CrossEntropyBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    const tensor logits = random_tensor({5, 19}, 1), targets = random_ids({5}, 2, 19);
    targets.at<std::int32_t>(3) = ignored_target;
    numbers expected =
        numerical_gradient([&](const numbers& v) { return 3 * loss_of(v, targets, 19); }, doubles(logits));
    const auto result = cross_entropy(logits, targets);
    cross_entropy_backward_into(logits, logits, targets, result, 3);  // over the logits themselves
    expect_close(logits, expected, 1e-6);
  });
}

TEST(LinearCrossEntropy, IsTheSameWithoutKeepingLogits) {
  on_every_instruction_set([] {
    const tensor x = random_tensor({4, 5, 12}, 1), w = random_tensor({33, 12}, 2), targets = random_ids({4, 5}, 3, 33);
    targets.at<std::int32_t>(0, 1) = ignored_target;
    const numbers nx = doubles(x), nw = doubles(w);
    const double loss = loss_of(logits_of(nx, nw, 20, 12, 33), targets, 33);
    EXPECT_NEAR(linear_cross_entropy(x, w, targets).loss, loss, 1e-5);
    const tensor dx({4, 5, 12}), dw = tensor::full({33, 12}, 1);
    EXPECT_NEAR(linear_cross_entropy_with_gradients(dx, dw, x, w, targets, 2).loss, loss, 1e-5);
    const auto value = [&](const numbers& a, const numbers& b) {
      return 2 * loss_of(logits_of(a, b, 20, 12, 33), targets, 33);
    };
    expect_close(dx, numerical_gradient([&](const numbers& v) { return value(v, nw); }, nx), 1e-5);
    numbers to_w = numerical_gradient([&](const numbers& v) { return value(nx, v); }, nw);
    for (double& v : to_w) v += 1;
    expect_close(dw, to_w, 1e-5);
  });
}

TEST(LinearCrossEntropy, WorksInChunksOfRows) {
  // 150,000 classes leave 256 rows in a chunk: three chunks here.
  const long rows = 600, classes = 150000, width = 4;
  const tensor x = random_tensor({rows, width}, 1), w = random_tensor({classes, width}, 2, 0.5),
               targets = random_ids({rows}, 3, classes);
  const tensor dx({rows, width}), dw({classes, width});
  const auto result = linear_cross_entropy_with_gradients(dx, dw, x, w, targets);
  for (const long n : {0l, 255l, 256l, 599l}) {  // rows on both sides of the cuts
    const numbers row = logits_of(doubles(x.slice(0, n, n + 1)), doubles(w), 1, width, classes);
    double total = 0;
    for (const double v : row) total += std::exp(v);
    EXPECT_NEAR(result.log_sum_exp.at<float>(n), std::log(total), 1e-5);
    numbers expected(std::size_t(width), 0.0);
    for (long c = 0; c < classes; ++c)
      for (long d = 0; d < width; ++d) {
        const double p = std::exp(row[std::size_t(c)]) / total - (c == targets.at<std::int32_t>(n) ? 1 : 0);
        expected[std::size_t(d)] += p / double(rows) * w.at<float>(c, d);
      }
    expect_close(dx.slice(0, n, n + 1), expected, 1e-6);
  }
}

TEST(CrossEntropy, SmoothsTheTargetOverAllClasses) {
  const tensor logits({1, 3}, {1, 2, -1}), targets({1}, std::vector<std::int32_t>{1});
  const double lse = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(-1.0));
  const cross_entropy_options smooth{.smoothing = 0.3};
  const auto forward = cross_entropy(logits, targets, smooth);
  EXPECT_NEAR(forward.loss, 0.1 * (lse - 1) + 0.8 * (lse - 2) + 0.1 * (lse + 1), 1e-6);
  const tensor gradient({1, 3});
  cross_entropy_backward_into(gradient, logits, targets, forward, 1, smooth);
  EXPECT_NEAR(gradient.at<float>(0, 0), std::exp(1 - lse) - 0.1, 1e-6);
  EXPECT_NEAR(gradient.at<float>(0, 1), std::exp(2 - lse) - 0.8, 1e-6);
  const tensor eye({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}), dx({1, 3}), dweight({3, 3});
  EXPECT_NEAR(linear_cross_entropy_with_gradients(dx, dweight, logits, eye, targets, 1, smooth).loss, forward.loss,
              1e-6);
  for (long i = 0; i < 3; ++i) EXPECT_NEAR(dx.at<float>(0, i), gradient.at<float>(0, i), 1e-6);
  EXPECT_THROW(cross_entropy(logits, targets, {.smoothing = 1}), shape_error);
}

TEST(CrossEntropy, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor x = random_tensor({300, 40}, 1), w = random_tensor({200, 40}, 2), targets = random_ids({300}, 3, 200);
  expect_same_bits_for_any_threads([&] {
    const tensor dx({300, 40}), dw({200, 40});
    const auto result = linear_cross_entropy_with_gradients(dx, dw, x, w, targets);
    return std::vector{dx, dw, result.log_sum_exp, tensor::full({1}, result.loss)};
  });
}

TEST(CrossEntropy, RefusesWhatDoesNotFit) {
  const tensor logits({4, 65}), targets(shape{4}, dtype::int32);
  targets.at<std::int32_t>(3) = 65;
  EXPECT_EQ(refusal([&] { cross_entropy(logits, targets); }),
            "cross_entropy: expected targets in 0 .. 64 or -100; found 65 at row 3");
  EXPECT_EQ(refusal([&] { cross_entropy(logits, tensor({5}, dtype::int32)); }),
            "cross_entropy: expected targets [4]; found [5]");
  EXPECT_EQ(refusal([&] {
              linear_cross_entropy(tensor({4, 3}), tensor({65, 2}), targets);
            }),
            "linear_cross_entropy: expected x [..., 2]; found [4, 3]");
}

}  // namespace
}  // namespace qkv
