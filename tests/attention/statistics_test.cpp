// Statistics against plain loops over every weight of the oracle.
#include "qkv/attention/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qkv/attention/attention.h"
#include "qkv/attention/oracle.h"
#include "qkv/base/threads.h"
#include "tests/attention/tensors.h"
#include "tests/base/message_of.h"
#include "tests/base/with_threads.h"

namespace qkv {
namespace {

using testing::HasSubstr;

struct Statistics : testing::Test {
  static constexpr long B = 2, T = 70, S = 130, H = 4, G = 2, D = 20;
  tensor q = normal({B, T, H, D}, 1, dtype::float32), k = normal({B, S, G, D}, 2, dtype::float32);
  std::vector<std::int32_t> tokens = [] {
    std::vector<std::int32_t> t;
    for (long n = 0; n < B * S; ++n) t.push_back(std::int32_t(n * n * 7 % 11));
    return t;
  }();

  /// Every weight [B, H, T, S], in double.
  template <class... Parts>
  tensor weights(const Parts&... parts) const {
    return oracle::attention_forward(q, k, k, parts...).weights();
  }
  statistics_request everything() const {
    return {.top = 5, .distances = true, .tokens = tokens, .map = link_rectangle{10, 50, 20, 90}, .map_rows = 7, .map_columns = 9};
  }

  template <class... Parts>
  void expect_right(const Parts&... parts) const {
    const attention_statistics s = statistics(q, k, everything(), parts...);
    const tensor w = weights(parts...);
    const auto at = [&](long b, long h, long i, long j) { return w.at<double>(b, h, i, j); };
    const long offset = S - T;
    for (long b = 0; b < B; ++b)
      for (long h = 0; h < H; ++h) {
        std::vector<double> received(S), distances(T + S - 1), detected(3), map(7 * 9), links(7 * 9);
        for (long i = 0; i < T; ++i) {
          double entropy = 0, most = 0;
          std::vector<std::pair<double, long>> order;
          for (long j = 0; j < S; ++j) {
            const double p = at(b, h, i, j);
            if (p > 0) entropy -= p * std::log(p), order.push_back({-p, j});
            most = std::max(most, p);
            received[j] += p;
            distances[T - 1 - i + j] += p / T;
            const long place = i + offset;
            const auto token = [&](long n) { return tokens[b * S + n]; };
            if (j == place - 1) detected[0] += p / T;
            if (j < place && token(j) == token(place)) detected[1] += p / T;
            if (j > 0 && j <= place && token(j - 1) == token(place) && j - 1 != place) detected[2] += p / T;
            if (i >= 10 && i < 60 && j >= 20 && j < 110) {
              const long cell = (i - 10) * 7 / 50 * 9 + (j - 20) * 9 / 90;
              map[cell] += p, links[cell] += 1;
            }
          }
          EXPECT_NEAR(s.entropy.at<float>(b, i, h), entropy, 2e-5);
          EXPECT_NEAR(s.maximum.at<float>(b, i, h), most, 1e-5);
          std::ranges::sort(order);
          for (long n = 0; n < 5; ++n) {
            const bool there = n < long(order.size());
            EXPECT_NEAR(s.top_weights.at<float>(b, i, h, n), there ? -order[n].first : 0, 1e-5);
            const long key = s.top_keys.at<std::int32_t>(b, i, h, n);
            if (!there) EXPECT_EQ(key, -1);
            else EXPECT_NEAR(at(b, h, i, key), -order[n].first, 1e-5) << "a link as strong, if not the same";
          }
        }
        for (long j = 0; j < S; ++j) EXPECT_NEAR(s.received.at<float>(b, j, h), received[j], 3e-5);
        for (long n = 0; n < T + S - 1; ++n) EXPECT_NEAR(s.distances.at<float>(b, h, n), distances[n], 1e-5);
        for (long n = 0; n < 3; ++n) EXPECT_NEAR(s.detected.at<float>(b, h, n), detected[n], 1e-5);
        for (long n = 0; n < 7 * 9; ++n) EXPECT_NEAR(s.map.at<float>(b, h, n / 9, n % 9), map[n] / links[n], 1e-5);
      }
  }
};

TEST_F(Statistics, AreRightForSoftmax) { expect_right(); }
TEST_F(Statistics, AreRightBehindMasksAndScores) {
  expect_right(causal & sliding_window(30), softcap(5));
  expect_right(mask([](auto at) { return at.query / 40 == at.key / 40; }) & !prefix(3));
}
TEST_F(Statistics, AreRightForSparseWeights) {
  expect_right(sparsemax, causal);
  expect_right(top_k(3));
}
TEST_F(Statistics, AreRightForOtherSimilarities) {
  expect_right(negative_squared_distance, scale(0.1));
  expect_right(additive(normal({D}, 5, dtype::float32)), causal);
}

TEST_F(Statistics, LevelIsTheForwardPassesOwn) {
  const tensor sinks = normal({H}, 9, dtype::float32);
  using formula_pointer = std::shared_ptr<const formula>;
  for (const formula_pointer& f : {formula_pointer(make_formula(causal)), formula_pointer(make_formula(sparsemax)),
                                   formula_pointer(make_formula(softmax_with_sink(sinks)))})
    EXPECT_LT(difference(statistics_with(*f, q, k).lse, attention_forward_with(f, q, k, k).lse), 1e-5);
}

TEST_F(Statistics, RectangleWithACellForEachLinkIsTheWeights) {
  const auto s = statistics(q, k, {.top = 0, .map = link_rectangle{13, 1, 0, S}}, causal);
  const tensor w = weights(causal);
  for (long j = 0; j < S; ++j) EXPECT_NEAR(s.map.at<float>(1, 2, 0, j), w.at<double>(1, 2, 13, j), 1e-6);
  EXPECT_TRUE(s.top_keys.empty());
}

TEST_F(Statistics, PackedSequencesEachCountForThemselves) {
  const tensor row_q = normal({1, 50, H, D}, 1, dtype::float32), row_k = normal({1, 50, G, D}, 2, dtype::float32);
  const auto both = statistics(row_q, row_k, {.distances = true}, packed({0, 20, 50}), causal);
  const auto second = statistics(row_q.slice(1, 20, 50), row_k.slice(1, 20, 50), {.distances = true}, causal);
  for (long h = 0; h < H; ++h) {
    for (long j = 0; j < 30; ++j) EXPECT_EQ(both.received.at<float>(0, 20 + j, h), second.received.at<float>(0, j, h));
    for (long d = -29; d < 30; ++d)
      EXPECT_EQ(both.distances.at<float>(1, h, 49 + d), second.distances.at<float>(0, h, 29 + d)) << d;
  }
}

TEST_F(Statistics, AreTheSameBitsForAnyNumberOfThreads) {
  const with_threads as_before;
  std::vector<attention_statistics> all;
  for (int threads : {1, 2, 3}) {
    set_thread_count(threads);
    all.push_back(statistics(q, k, everything(), causal));
  }
  for (int n : {1, 2})
    for (auto part : {&attention_statistics::received, &attention_statistics::distances, &attention_statistics::map,
                      &attention_statistics::entropy, &attention_statistics::detected})
      EXPECT_EQ(difference(all[0].*part, all[n].*part), 0);
}

TEST_F(Statistics, LikenessOfHeadsIsTheCosineOfTheirWeights) {
  const tensor likeness = head_similarity(q, k, causal), w = weights(causal);
  for (long b = 0; b < B; ++b)
    for (long m = 0; m < H; ++m)
      for (long n = 0; n < H; ++n) {
        double product = 0, mm = 0, nn = 0;
        for (long i = 0; i < T; ++i)
          for (long j = 0; j < S; ++j) {
            const double x = w.at<double>(b, m, i, j), y = w.at<double>(b, n, i, j);
            product += x * y, mm += x * x, nn += y * y;
          }
        EXPECT_NEAR(likeness.at<float>(b, m, n), product / std::sqrt(mm * nn), 1e-5);
      }
}

TEST_F(Statistics, RolloutFollowsOneTokenThroughTheLayers) {
  const tensor a = normal({1, 12, 2, 8}, 1, dtype::float32), b = normal({1, 12, 2, 8}, 2, dtype::float32);
  const auto rule = make_formula(causal);
  const tensor flow = attention_rollout({{rule, a, b}, {rule, b, a}}, 9);
  const tensor first = oracle::attention_forward(a, b, b, causal).weights(), second = oracle::attention_forward(b, a, a, causal).weights();
  std::vector<double> expected(12), through(12);
  const auto mean = [&](const tensor& w, long i, long j) { return (w.at<double>(0, 0, i, j) + w.at<double>(0, 1, i, j)) / 2; };
  for (long j = 0; j < 12; ++j) through[j] = ((j == 9) + mean(second, 9, j)) / 2;
  double sum = 0;
  for (long j = 0; j < 12; ++j) {
    expected[j] = through[j] / 2;
    for (long i = 0; i < 12; ++i) expected[j] += through[i] * mean(first, i, j) / 2;
    EXPECT_NEAR(flow.at<float>(0, j), expected[j], 1e-6);
    sum += flow.at<float>(0, j);
  }
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST_F(Statistics, RowsWithoutALinkAndEmptyAxes) {
  const auto s = statistics(q, k, everything(), mask([](auto) { return false; }));
  EXPECT_EQ(s.entropy.at<float>(0, 0, 0), 0);
  EXPECT_EQ(s.top_keys.at<std::int32_t>(0, 0, 0, 0), -1);
  EXPECT_EQ(s.lse.at<float>(0, 0, 0), -std::numeric_limits<float>::infinity());
  const auto none = statistics(q.slice(1, 0, 0), k, {});
  EXPECT_EQ(none.entropy.shape(), (shape{B, 0, H}));
  EXPECT_EQ(statistics(q, k.slice(1, 0, 0), {}).maximum.at<float>(1, 3, 2), 0);
}

TEST_F(Statistics, RefuseWhatCannotBe) {
  EXPECT_THAT(message_of([&] { statistics(q, k, {.top = 65}); }), HasSubstr("expected top from 0 to 64; found 65"));
  EXPECT_THAT(message_of([&] { statistics(q, k, {.tokens = {1, 2}}); }), HasSubstr("tokens [B, S], 260 of them; found 2"));
  EXPECT_THAT(message_of([&] { statistics(q, k, {.map = link_rectangle{60, 20, 0, 10}}); }),
              HasSubstr("a rectangle of links within 70 queries x 130 keys; found rows 60 + 20, keys 0 + 10"));
  EXPECT_THAT(message_of([&] { statistics(q, k, {.shares = tensor({3})}); }), HasSubstr("shares [2, 70] in float32"));
  EXPECT_THAT(message_of([&] { statistics(q.slice(0, 0, 1), k, {}); }), HasSubstr("as many sequences B"));
}

}  // namespace
}  // namespace qkv
