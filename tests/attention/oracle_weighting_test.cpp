// Weightings of the oracle, worked by hand; its log-sum-exps, weights, split rows and extreme numbers.
#include "qkv/attention/attention.h"
#include "tests/attention/worked.h"

namespace qkv {
namespace {

struct OracleWeighting : two_sequences {
  tensor sinks = normal({4}, 7);
};

numbers sparsemax_of(numbers s) {
  numbers z = s;
  std::ranges::sort(z, std::greater());
  double sum = 0, threshold = 0;
  for (std::size_t n = 0; n < z.size(); ++n) {
    sum += z[n];
    if (1 + double(n + 1) * z[n] > sum) threshold = (sum - 1) / double(n + 1);
  }
  for (double& e : s) e = std::max(e - threshold, 0.0);
  return s;
}

// Peters et al. 2019, algorithm 2: sorted scores, halved; the threshold of the longest support that holds.
numbers entmax15_of(numbers s) {
  for (double& e : s) e /= 2;
  numbers z = s;
  std::ranges::sort(z, std::greater());
  double sum = 0, squares = 0, threshold = 0;
  for (std::size_t n = 0; n < z.size(); ++n) {
    sum += z[n], squares += z[n] * z[n];
    const double count = double(n + 1), mean = sum / count, spread = squares - count * mean * mean;
    if (1 < spread) break;
    const double t = mean - std::sqrt((1 - spread) / count);
    if (t <= z[n]) threshold = t;
  }
  for (double& e : s) e = std::pow(std::max(e - threshold, 0.0), 2);
  return s;
}

TEST_F(OracleWeighting, Uniform) {
  expect_worked({.weigh = [](numbers s, long) { return numbers(s.size(), 1 / double(s.size())); }}, {}, q, k, v,
                uniform);
}

TEST_F(OracleWeighting, SinkTakesWeightAndGivesNothing) {
  const auto rule = [&](numbers s, long h) {
    double sum = std::exp(sinks.at<double>(h));
    for (double& e : s) sum += e = std::exp(e);
    for (double& e : s) e /= sum;
    return s;
  };
  expect_worked({.weigh = rule}, {sinks}, q, k, v, softmax_with_sink(sinks));
  expect_worked({.mask = [](link at) { return at.j < 3 && at.i > 6; }, .weigh = rule}, {sinks}, q, k, v,
                softmax_with_sink(sinks), [](auto at) { return at.key < 3 && at.query > 6; });
}

TEST_F(OracleWeighting, TopKKeepsTheBest) {
  const auto rule = [](numbers s, long) {
    numbers z = s;
    std::ranges::sort(z, std::greater());
    double sum = 0, least = z[std::min<std::size_t>(3, z.size()) - 1];
    for (double& e : s) sum += e = e < least ? 0 : std::exp(e);
    for (double& e : s) e /= sum;
    return s;
  };
  expect_worked({.weigh = rule}, {}, q, k, v, top_k(3));
  expect_worked({.mask = [](link at) { return at.j < 2; }, .weigh = rule}, {}, q, k, v, top_k(3), prefix(2));
}

TEST_F(OracleWeighting, HardmaxTakesOneAndTiesGoToTheEarlierKey) {
  const auto rule = [](numbers s, long) {
    const auto best = std::ranges::max_element(s) - s.begin();
    std::ranges::fill(s, 0);
    s[best] = 1;
    return s;
  };
  expect_worked({.weigh = rule}, {}, q, k, v, hardmax);
  const auto run = oracle::attention_forward(q, k, v, hardmax, [](auto s, auto) { return 0 * s; });
  EXPECT_EQ(run.weights().item({0, 0, 0, 0}), 1);
  EXPECT_EQ(difference(run.backward(run.out).dq, tensor(q.shape(), dtype::float64)), 0);
}

TEST_F(OracleWeighting, SparsemaxIsTheProjectionOnTheSimplex) {
  expect_worked({.weigh = [](numbers s, long) { return sparsemax_of(s); }}, {}, q, k, v, sparsemax);
}

TEST_F(OracleWeighting, Entmax15LiesHalfway) {
  expect_worked({.weigh = [](numbers s, long) { return entmax15_of(s); }}, {}, q, k, v, entmax15);
}

TEST_F(OracleWeighting, SigmoidAndReluAreNotNormalised) {
  const auto logistic = [](numbers s, long) {
    for (double& e : s) e = 1 / (1 + std::exp(-(e - 2)));
    return s;
  };
  const auto rectified = [](numbers s, long) {
    for (double& e : s) e = std::max(e, 0.0) / 13;
    return s;
  };
  expect_worked({.weigh = logistic}, {}, q, k, v, sigmoid_weights(-2));
  expect_worked({.weigh = rectified}, {}, q, k, v, relu_weights(1 / 13.0));
}

TEST_F(OracleWeighting, SquaredRelu) {
  const auto squared = [](numbers s, long) {
    for (double& e : s) e = 0.5 * std::pow(std::max(e, 0.0), 2);
    return s;
  };
  expect_worked({.weigh = squared}, {}, q, k, v, squared_relu_weights(0.5));
}

TEST_F(OracleWeighting, SignedWeightsAreTheScores) {
  expect_worked({.weigh = [](numbers s, long) { return s; }}, {}, q, k, v, signed_weights());
}

TEST_F(OracleWeighting, SignedWeightsMayBeDividedByTheSumOfTheirMagnitudes) {
  const auto divided = [](numbers s, long) {
    double sum = 0;
    for (double e : s) sum += std::abs(e);
    for (double& e : s) e /= sum;
    return s;
  };
  expect_worked({.weigh = divided}, {}, q, k, v, signed_weights(normalised::by_division));
  const auto nothing = oracle::attention_forward(q, k, v, signed_weights(normalised::by_division),
                                                 [](auto s, auto) { return 0 * s; });
  EXPECT_EQ(difference(nothing.out, tensor(nothing.out.shape(), dtype::float64)), 0);
  EXPECT_EQ(difference(nothing.backward(normal(nothing.out.shape(), 8)).dq, tensor(q.shape(), dtype::float64)), 0);
}

TEST_F(OracleWeighting, DropoutLeavesLinksOutOfTheBlendAfterTheyWereWeighed) {
  const attention_dropout some(0.4, 11);
  const auto run = oracle::attention_forward(q, k, v, some), whole = oracle::attention_forward(q, k, v);
  const tensor kept = run.weights();
  const auto found = values_of(kept), all = values_of(whole.weights());
  std::size_t n = 0;
  each_index(kept.shape(), [&](const shape& at) {
    const double expected = some.drops(at[0], at[1], at[2], at[3]) ? 0 : all[n] / 0.6;
    EXPECT_NEAR(found[n++], expected, 1e-15);
  });
  EXPECT_EQ(difference(run.lse, whole.lse), 0);
  expect_gradients({}, q, k, v, some);
  expect_gradients({sinks}, q, k, v, some, softmax_with_sink(sinks), causal);
  expect_gradients({}, q, k, v, some, entmax15);
  expect_gradients({}, q, k, v, some, signed_weights(normalised::by_division));
}

TEST_F(OracleWeighting, LambdasWithAndWithoutASumOfOne) {
  const auto raised = [](numbers s, long) {
    for (double& e : s) e = std::pow(std::max(e + 1, 0.0), 3);
    return s;
  };
  const auto cube = [](auto x) {
    auto h = max(x + 1, 0);
    return h * h * h;
  };
  expect_worked({.weigh = raised}, {}, q, k, v, weighting{cube});
  const auto normed = oracle::attention_forward(q, k, v, weighting{cube, normalised::yes});
  for (long i = 0; i < 9; ++i) {
    double sum = 0;
    for (long j = 0; j < 13; ++j) sum += normed.weights().item({1, 2, i, j});
    EXPECT_NEAR(sum, 1, 1e-12);
  }
  expect_gradients({}, q, k, v, weighting{cube, normalised::yes});
}

TEST_F(OracleWeighting, LevelsAreLogSumExpOrTheScoreThatWouldWeighOne) {
  const auto soft = oracle::attention_forward(q, k, v),
             sunk = oracle::attention_forward(q, k, v, softmax_with_sink(sinks));
  EXPECT_NEAR(std::exp(sunk.lse.item({1, 4, 2})), std::exp(soft.lse.item({1, 4, 2})) + std::exp(sinks.item({2})),
              1e-12);
  EXPECT_NEAR(oracle::attention_forward(q, k, v, uniform).lse.item({0, 0, 0}), std::log(13), 1e-15);
  EXPECT_EQ(oracle::attention_forward(q, k, v, sigmoid_weights()).lse.item({0, 0, 0}), 0);
  const auto level = [&](const auto& w) {  // of 13 equal scores
    return oracle::attention_forward(q, k, v, w, [](auto, auto at) { return at.query * 0.0; }).lse.item({0, 0, 0});
  };
  EXPECT_NEAR(level(sparsemax), 1 - 1 / 13.0, 1e-12);  // 1 above the threshold
  EXPECT_NEAR(level(entmax15), 2 - 2 / std::sqrt(13), 1e-12);
}

TEST_F(OracleWeighting, WeightsAreAMatrixPerHead) {
  const auto run = oracle::attention_forward(q, k, v, causal);
  const tensor w = run.weights();
  EXPECT_EQ(w.shape(), (shape{2, 4, 9, 13}));
  double blend = 0, sum = 0;
  for (long j = 0; j < 13; ++j) sum += w.item({1, 3, 2, j}), blend += w.item({1, 3, 2, j}) * v.item({1, j, 1, 4});
  EXPECT_NEAR(sum, 1, 1e-14);
  EXPECT_NEAR(blend, run.out.item({1, 2, 3, 4}), 1e-14);
  EXPECT_EQ(w.item({1, 3, 2, 7}), 0);  // above the diagonal: query 2 stands on key 6
}

TEST_F(OracleWeighting, SplitRowsJoinAndPartsKnowTheirShareOfTheGradient) {
  const tensor k1 = k.slice(1, 0, 5), k2 = k.slice(1, 5, 13), v1 = v.slice(1, 0, 5), v2 = v.slice(1, 5, 13);
  const auto whole = oracle::attention_forward(q, k, v), a = oracle::attention_forward(q, k1, v1),
             b = oracle::attention_forward(q, k2, v2);
  const auto both = merge(a, b);
  EXPECT_LT(difference(both.out, whole.out), 1e-14);
  EXPECT_LT(difference(both.lse, whole.lse), 1e-14);
  const tensor dout = normal(whole.out.shape(), 8);
  const auto g = whole.backward(dout), ga = a.backward(dout, both), gb = b.backward(dout, both);
  EXPECT_LT(difference(gb.dk, g.dk.slice(1, 5, 13)), 1e-13);
  EXPECT_LT(difference(ga.dv, g.dv.slice(1, 0, 5)), 1e-13);
  const auto one = values_of(ga.dq), two = values_of(gb.dq), sum = values_of(g.dq);
  for (std::size_t i = 0; i < sum.size(); ++i) EXPECT_NEAR(one[i] + two[i], sum[i], 1e-13);
}

TEST_F(OracleWeighting, OtherWeightingsDoNotSplit) {
  const auto whole = oracle::attention_forward(q, k, v, sparsemax);
  EXPECT_FALSE(whole.splits);
  EXPECT_FALSE(oracle::attention_forward(q, k, v, top_k(2)).splits);
  EXPECT_FALSE(oracle::attention_forward(q, k, v, softmax_with_sink(sinks)).splits);
  EXPECT_TRUE(oracle::attention_forward(q, k, v, causal).splits);
  EXPECT_NE(
      message_of<unsupported_error>([&] { whole.backward(whole.out, whole); }).find("expected a whole of softmax"),
      std::string::npos);
}

TEST_F(OracleWeighting, HugeScoresKeepTheirShares) {
  const auto tied = [](auto s, auto at) { return select(at.key < 2, 0 * s + 1e30, 0 * s - 1e30); };
  for (const auto& f : {make_formula(tied), make_formula(tied, sparsemax), make_formula(tied, entmax15)}) {
    const oracle::attention_run run(f, q, k, v, bottom_right, {});
    EXPECT_NEAR(run.weights().item({0, 0, 0, 0}), 0.5, 1e-12);
    EXPECT_NEAR(run.weights().item({0, 0, 0, 1}), 0.5, 1e-12);
    EXPECT_EQ(run.weights().item({0, 0, 0, 2}), 0);
  }
}

TEST_F(OracleWeighting, NanInALiveLinkMakesItsRowNanAndNoOther) {
  const tensor wild = k.clone();
  wild.at<double>(0, 6, 0, 3) = NAN;  // seen by queries from 2 on, in heads 0 and 1 of the first sequence
  for (const auto& f : {make_formula(causal), make_formula(causal, sparsemax), make_formula(causal, top_k(2))}) {
    const oracle::attention_run run(f, q, wild, v, bottom_right, {});
    EXPECT_TRUE(std::isnan(run.out.item({0, 2, 1, 0})));
    EXPECT_TRUE(std::isnan(run.lse.item({0, 8, 0})));
    EXPECT_TRUE(std::isfinite(run.out.item({0, 1, 1, 0})));
    EXPECT_TRUE(std::isfinite(run.out.item({0, 2, 2, 0})));
    EXPECT_TRUE(std::isfinite(run.out.item({1, 2, 1, 0})));
  }
}

TEST_F(OracleWeighting, TakesTensorsOfAnyTypeAndStrides) {
  const tensor single = q.to(dtype::float32);
  EXPECT_EQ(difference(oracle::attention(single, k, v), oracle::attention(single.to(dtype::float64), k, v)), 0);
  const tensor turned = q.transpose(1, 2).to_contiguous().transpose(1, 2);
  EXPECT_EQ(difference(oracle::attention(turned, k, v), oracle::attention(q, k, v)), 0);
}

}  // namespace
}  // namespace qkv
