// All statistics of a text of 32,768 tokens: how much memory they take, and single rows against double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "qkv/attention/attention.h"
#include "qkv/attention/statistics.h"
#include "qkv/base/memory.h"
#include "tests/attention/counted_memory.h"
#include "tests/attention/tensors.h"

namespace qkv {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr long T = 8192;  // sanitizers take their time
#else
constexpr long T = 32768;
#endif
constexpr long D = 64;
constexpr double most_bytes = 2000.0 * T;  // all links would take 4 T^2, at 32,768 tokens 65 times as much

/// Most bytes held while `run` works, beyond those held before; what operator new gave counts as never given back.
double bytes_of(auto run) {
  release_kept_memory();
  reset_memory_peak();
  const std::size_t held = memory_in_use().in_use, before = bytes_allocated_so_far();
  run();
  return double(memory_in_use().peak - held) + double(bytes_allocated_so_far() - before);
}

/// One row of causal softmax, in double.
struct row {
  std::vector<double> weights;  // of keys 0 .. number
  double lse = 0, entropy = 0;
  row(const tensor& q, const tensor& k, long number, long head = 0, long window = T) : weights(std::size_t(number + 1)) {
    const float* const x = &q.at<float>(0, number, head, 0);
    const long first = std::max(0L, number - window + 1);
    double most = -infinity, sum = 0;
    for (long j = first; j <= number; ++j) {
      const float* const y = &k.at<float>(0, j, 0, 0);
      double s = 0;
      for (long d = 0; d < D; ++d) s += double(x[d]) * y[d];
      weights[std::size_t(j)] = s / std::sqrt(double(D));
      most = std::max(most, weights[std::size_t(j)]);
    }
    for (long j = first; j <= number; ++j) sum += weights[std::size_t(j)] = std::exp(weights[std::size_t(j)] - most);
    lse = most + std::log(sum);
    for (long j = first; j <= number; ++j) {
      double& w = weights[std::size_t(j)] /= sum;
      entropy -= w * std::log(w);
    }
  }
};

struct LongStatistics : testing::Test {
  tensor q = normal({1, T, 1, D}, 1, dtype::float32), k = normal({1, T, 1, D}, 2, dtype::float32);
};

TEST_F(LongStatistics, AllTogetherTakeLittleMemoryAndAreRight) {
  // All tokens differ, but that one of the last repeats 100: a duplicate, and 101 followed it.
  std::vector<std::int32_t> tokens(T);
  std::iota(tokens.begin(), tokens.end(), 0);
  constexpr long last = 48, repeats = T - 18;
  tokens[repeats] = 100;
  attention_statistics s;
  const double bytes = bytes_of([&] {
    s = statistics(q, k, {.top = 8, .distances = true, .tokens = tokens, .map = link_rectangle{T - last, last, 0, T},
                          .map_rows = 1, .map_columns = 64}, causal);
  });
  EXPECT_LT(bytes, most_bytes);

  const auto value = [](const tensor& t, long i) { return double(t.at<float>(0, i, 0)); };
  for (const long i : {0L, 1L, 47L, 48L, 4711L, T / 2 + 5, repeats, T - 1}) {
    const row exact(q, k, i);
    EXPECT_NEAR(value(s.lse, i), exact.lse, 2e-5) << i;
    EXPECT_NEAR(value(s.entropy, i), exact.entropy, 1e-4) << i;
    std::vector<double> strongest = exact.weights;
    std::ranges::sort(strongest, std::greater());
    EXPECT_NEAR(value(s.maximum, i), strongest[0], 1e-4 * strongest[0]) << i;
    for (long n = 0; n < 8; ++n) {
      const long key = s.top_keys.at<std::int32_t>(0, i, 0, n);
      if (n > i) {
        EXPECT_EQ(key, -1);
        continue;
      }
      EXPECT_NEAR(s.top_weights.at<float>(0, i, 0, n), strongest[std::size_t(n)], 1e-4 * strongest[0]) << i << " " << n;
      EXPECT_NEAR(exact.weights[std::size_t(key)], strongest[std::size_t(n)], 1e-4 * strongest[0]) << "as strong a link";
    }
  }
  // The last keys, the longest distances, the last rows' map and the one duplicate come from the last rows alone.
  std::vector<double> received(last), far(last), stripes(64);
  double duplicate = 0, followed = 0;
  for (long i = T - last; i < T; ++i) {
    const row exact(q, k, i);
    for (long j = T - last; j <= i; ++j) received[std::size_t(j - (T - last))] += exact.weights[std::size_t(j)];
    for (long d = T - last; d <= i; ++d) far[std::size_t(d - (T - last))] += exact.weights[std::size_t(i - d)] / T;
    for (long j = 0; j <= i; ++j) stripes[std::size_t(j / (T / 64))] += exact.weights[std::size_t(j)] / (last * T / 64);
    if (i == repeats) duplicate = exact.weights[100] / T, followed = exact.weights[101] / T;
  }
  for (long n = 0; n < last; ++n) {
    EXPECT_NEAR(value(s.received, T - last + n), received[std::size_t(n)], 1e-4 * received[std::size_t(n)]);
    const double apart = s.distances.at<float>(0, 0, T - 1 - (T - last + n));
    EXPECT_NEAR(apart, far[std::size_t(n)], 1e-4 * far[std::size_t(n)]);
  }
  for (long n = 0; n < 64; ++n)
    EXPECT_NEAR(s.map.at<float>(0, 0, 0, n), stripes[std::size_t(n)], 1e-4 * stripes[std::size_t(n)]);
  EXPECT_NEAR(s.detected.at<float>(0, 0, 1), duplicate, 1e-4 * duplicate);
  EXPECT_NEAR(s.detected.at<float>(0, 0, 2), followed, 1e-4 * followed);
  EXPECT_NEAR(s.detected.at<float>(0, 0, 0), s.distances.at<float>(0, 0, T - 2), 1e-7) << "the token before";
  const auto total = [](const tensor& t) {
    const auto values = t.values<float>();
    return std::accumulate(values.begin(), values.end(), 0.0);
  };
  EXPECT_NEAR(total(s.received), T, 1e-4 * T);
  EXPECT_NEAR(total(s.distances), 1, 1e-4);
}

TEST_F(LongStatistics, OneExactRowIsTheQueryByItself) {
  constexpr long i = T - 2768;
  const auto s = statistics(q.slice(1, i, i + 1), k.slice(1, 0, i + 1), {.map = link_rectangle{0, 1, 0, i + 1}}, causal);
  const row exact(q, k, i);
  for (long j = 0; j <= i; ++j)
    ASSERT_NEAR(s.map.at<float>(0, 0, 0, j), exact.weights[std::size_t(j)], 1e-5 * exact.weights[std::size_t(j)] + 1e-9);
}

TEST_F(LongStatistics, RolloutTakesLittleMemoryAndIsRight) {
  const auto rule = make_formula(causal);
  tensor flow;
  const double bytes = bytes_of([&] { flow = attention_rollout({{rule, q, k}, {rule, k, q}}, T - 1); });
  EXPECT_LT(bytes, most_bytes);
  const row second(k, q, T - 1);
  double sum = 0;
  for (long j = 0; j < T; ++j) sum += flow.at<float>(0, j);
  EXPECT_NEAR(sum, 1, 1e-4);
  // What the last two tokens get: from themselves and from each other.
  const auto through = [&](long j) { return ((j == T - 1) + second.weights[std::size_t(j)]) / 2; };
  const row one(q, k, T - 1), two(q, k, T - 2);
  const auto w = [](const row& r, long j) { return r.weights[std::size_t(j)]; };
  EXPECT_NEAR(flow.at<float>(0, T - 1), through(T - 1) * (1 + w(one, T - 1)) / 2, 1e-6);
  const double before = (through(T - 2) * (1 + w(two, T - 2)) + through(T - 1) * w(one, T - 2)) / 2;
  EXPECT_NEAR(flow.at<float>(0, T - 2), before, 1e-4 * before);
}

TEST_F(LongStatistics, LikenessOfHeadsTakesLittleMemoryAndIsRight) {
  constexpr long window = 64;
  const tensor heads({1, T, 2, D});
  heads.slice(2, 0, 1).copy_from(q);
  heads.slice(2, 1, 2).copy_from(normal({1, T, 1, D}, 3, dtype::float32));
  tensor likeness;
  const double bytes = bytes_of([&] { likeness = head_similarity(heads, k, causal & sliding_window(window)); });
  EXPECT_LT(bytes, most_bytes);
  double products[3] = {};
  for (long i = 0; i < T; ++i) {
    const row a(heads, k, i, 0, window), b(heads, k, i, 1, window);
    for (long j = std::max(0L, i - window + 1); j <= i; ++j) {
      const double x = a.weights[std::size_t(j)], y = b.weights[std::size_t(j)];
      products[0] += x * x, products[1] += y * y, products[2] += x * y;
    }
  }
  EXPECT_NEAR(likeness.at<float>(0, 0, 1), products[2] / std::sqrt(products[0] * products[1]), 1e-5);
  EXPECT_NEAR(likeness.at<float>(0, 1, 1), 1, 1e-6);
}

}  // namespace
}  // namespace qkv
