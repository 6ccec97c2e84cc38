// What is masked never contributes, rows without links are zero, NaN stays in its row, and large numbers are fine: on
// every instruction set, by hand.
#include <gtest/gtest.h>

#include "qkv/attention/attention.h"
#include "tests/attention/tensors.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

class SpecialValues : public EverySet {
 protected:
  tensor q = normal({1, 60, 2, 24}, 1, dtype::float32), k = normal({1, 300, 1, 24}, 2, dtype::float32),
         v = normal({1, 300, 1, 40}, 3, dtype::float32), dout = normal({1, 60, 2, 40}, 4, dtype::float32);
};

tensor zeros_like(const tensor& t) { return tensor(t.shape()); }

TEST_P(SpecialValues, WhatIsMaskedMayBeAnything) {
  const auto hidden = [](auto at) { return at.key % 7 != 3; };
  const auto tame = attention_forward(q, k, v, hidden);
  const auto g = tame.backward(dout);
  for (double wild : {double(NAN), infinity, -infinity, 1e30}) {
    const tensor wild_k = k.clone(), wild_v = v.clone();
    for (long j = 3; j < 300; j += 7) wild_k.slice(1, j, j + 1).fill(wild), wild_v.slice(1, j, j + 1).fill(-wild);
    const auto run = attention_forward(q, wild_k, wild_v, hidden);
    EXPECT_LT(difference(run.out, tame.out), 1e-6) << wild;
    EXPECT_LT(difference(run.lse, tame.lse), 2e-6) << wild;
    const auto other = run.backward(dout);
    EXPECT_LT(difference(other.dq, g.dq), 2e-6) << wild;
    EXPECT_LT(difference(other.dk, g.dk), 2e-6) << wild;
    EXPECT_LT(difference(other.dv, g.dv), 2e-6) << wild;
  }
}

TEST_P(SpecialValues, QueriesWithoutALinkMayBeAnything) {
  const auto some = [](auto at) { return at.row % 5 != 2; };
  const tensor wild_q = q.clone();
  for (long i = 2; i < 60; i += 5) wild_q.slice(1, i, i + 1).fill(NAN);
  const auto tame = attention_forward(q, k, v, some), wild = attention_forward(wild_q, k, v, some);
  EXPECT_LT(difference(wild.out, tame.out), 1e-6);
  EXPECT_EQ(wild.out.item({0, 2, 1, 7}), 0);
  EXPECT_EQ(wild.lse.item({0, 57, 0}), -infinity);
  const auto g = tame.backward(dout), w = wild.backward(dout);
  EXPECT_LT(difference(w.dq, g.dq), 2e-6);
  EXPECT_LT(difference(w.dk, g.dk), 2e-5);
  EXPECT_LT(difference(w.dv, g.dv), 2e-5);
}

TEST_P(SpecialValues, NoLinkAtAllGivesZeros) {
  const auto run = attention_forward(q, k, v, [](auto) { return false; });
  EXPECT_EQ(difference(run.out, zeros_like(run.out)), 0);
  EXPECT_EQ(run.lse.item({0, 5, 1}), -infinity);
  const auto g = run.backward(dout);
  EXPECT_EQ(difference(g.dq, zeros_like(q)) + difference(g.dk, zeros_like(k)) + difference(g.dv, zeros_like(v)), 0);
}

TEST_P(SpecialValues, ScoresOfMinusInfinityAreMasks) {
  const auto none = [](auto s, auto at) {
    return select(at.key % 7 != 3 && at.row != 4, s, -std::numeric_limits<float>::infinity());
  };
  const auto same = [](auto at) { return at.key % 7 != 3 && at.row != 4; };
  const auto scored = attention_forward(q, k, v, none), masked = attention_forward(q, k, v, same);
  EXPECT_LT(difference(scored.out, masked.out), 1e-6);
  EXPECT_LT(difference(scored.lse, masked.lse), 2e-6);
  EXPECT_EQ(scored.lse.item({0, 4, 0}), -infinity);
  const auto a = scored.backward(dout), b = masked.backward(dout);
  EXPECT_LT(difference(a.dq, b.dq), 2e-6);
  EXPECT_LT(difference(a.dk, b.dk), 2e-6);
  EXPECT_LT(difference(a.dv, b.dv), 2e-6);
}

TEST_P(SpecialValues, NanInALiveLinkMakesItsRowNanAndNoOther) {
  const tensor wild = k.clone();
  wild.at<float>(0, 250, 0, 5) = NAN;  // seen by queries that stand on 250 or later: rows from 10 on
  const auto tame = attention_forward(q, k, v, causal), run = attention_forward(q, wild, v, causal);
  EXPECT_LT(difference(run.out.slice(1, 0, 10), tame.out.slice(1, 0, 10)), 1e-6);
  for (long i = 10; i < 60; ++i) {
    EXPECT_TRUE(std::isnan(run.out.item({0, i, 1, 3}))) << i;
    EXPECT_TRUE(std::isnan(run.lse.item({0, i, 1}))) << i;
  }
  const auto g = run.backward(dout);
  EXPECT_TRUE(std::isfinite(g.dq.item({0, 9, 0, 0})));
  EXPECT_TRUE(std::isnan(g.dq.item({0, 10, 0, 0})));
}

TEST_P(SpecialValues, ALargeValueIsBlendedAsItIs) {
  const tensor large = v.clone();
  large.fill(1e30);
  const auto run = attention_forward(q, k, large, causal);
  EXPECT_LT(difference(run.out, tensor::full(run.out.shape(), 1e30)), 1e24);
}

TEST_P(SpecialValues, LargeLogitsGiveTheLargestItsWeight) {
  const tensor sharp = tensor::full({1, 60, 2, 24}, 0), keys = tensor::full({1, 300, 1, 24}, 0);
  sharp.slice(3, 0, 1).fill(1e4);
  keys.at<float>(0, 17, 0, 0) = 1e4;
  for (long key : {17l, 299l}) {
    keys.fill(0), keys.at<float>(0, key, 0, 0) = 1e4;
    const auto run = attention_forward(sharp, keys, v);
    for (long e = 0; e < 40; ++e) EXPECT_EQ(run.out.item({0, 33, 1, e}), v.item({0, key, 0, e}));
    EXPECT_NEAR(run.lse.item({0, 33, 1}), 1e8 / std::sqrt(24), 10);
  }
  sharp.slice(3, 0, 1).fill(100), keys.fill(-100);  // every score -2041: far below 0, and all alike
  const auto run = attention_forward(sharp, keys, v);
  double mean = 0;
  for (long j = 0; j < 300; ++j) mean += v.item({0, j, 0, 8}) / 300;
  EXPECT_NEAR(run.out.item({0, 50, 0, 8}), mean, 1e-4);
}

TEST_P(SpecialValues, AScoreOfPlusInfinityMakesItsRowNan) {
  const auto one = [](auto s, auto at) {
    return select(at.key == 100 && at.row == 7, std::numeric_limits<float>::infinity(), s);
  };
  const auto run = attention_forward(q, k, v, one);
  EXPECT_TRUE(std::isnan(run.out.item({0, 7, 0, 0})));
  EXPECT_TRUE(std::isfinite(run.out.item({0, 6, 0, 0})));
}

TEST_P(SpecialValues, LengthsOfZeroAndOne) {
  const auto alone = attention_forward(q.slice(1, 0, 1), k.slice(1, 0, 1), v.slice(1, 0, 1), causal);
  EXPECT_LT(difference(alone.out.select(2, 0), v.slice(1, 0, 1).select(2, 0)), 1e-6);
  const auto none = attention_forward(q, k.slice(1, 0, 0), v.slice(1, 0, 0));
  EXPECT_EQ(difference(none.out, tensor({1, 60, 2, 40})), 0);
  EXPECT_EQ(none.lse.item({0, 59, 1}), -infinity);
  EXPECT_EQ(difference(none.backward(dout).dq, zeros_like(q)), 0);
  const auto nobody = attention_forward(q.slice(1, 0, 0), k, v);
  EXPECT_EQ(nobody.out.shape(), (shape{1, 0, 2, 40}));
  EXPECT_EQ(difference(nobody.backward(tensor({1, 0, 2, 40})).dk, zeros_like(k)), 0);
  const auto nothing = attention_forward(tensor({0, 3, 2, 24}), tensor({0, 3, 1, 24}), tensor({0, 3, 1, 40}));
  EXPECT_EQ(nothing.out.shape(), (shape{0, 3, 2, 40}));
  EXPECT_EQ(attention(tensor({1, 3, 0, 24}), k, v).shape(), (shape{1, 3, 0, 40}));
  EXPECT_EQ(attention(q, k, tensor({1, 300, 1, 0})).shape(), (shape{1, 60, 2, 0}));
}

TEST_P(SpecialValues, NoChannelsIsAMean) {
  const auto run = attention_forward(tensor({1, 60, 2, 0}), tensor({1, 300, 1, 0}), v);
  double mean = 0;
  for (long j = 0; j < 300; ++j) mean += v.item({0, j, 0, 8}) / 300;
  EXPECT_NEAR(run.out.item({0, 50, 0, 8}), mean, 1e-6);
  EXPECT_NEAR(run.lse.item({0, 50, 0}), std::log(300), 1e-5);
}

QKV_ON_EVERY_SET(SpecialValues);

}  // namespace
}  // namespace qkv
