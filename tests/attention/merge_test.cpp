// Attention over split keys, merged, and the backward pass of a part: against the whole.
#include <gtest/gtest.h>

#include "qkv/attention/attention.h"
#include "tests/attention/tensors.h"

namespace qkv {
namespace {

struct Merge : testing::Test {
  tensor q = normal({2, 33, 4, 24}, 1, dtype::float32), k = normal({2, 150, 2, 24}, 2, dtype::float32),
         v = normal({2, 150, 2, 20}, 3, dtype::float32);
  attention_run run(long from, long to) const {
    return attention_forward(q, k.slice(1, from, to), v.slice(1, from, to));
  }
};

TEST_F(Merge, EqualsTheWhole) {
  const auto whole = attention_forward(q, k, v);
  const auto joined = merge(merge(run(0, 37), run(37, 100)), run(100, 150));
  EXPECT_LT(difference(joined.out, whole.out), 1e-6);
  EXPECT_LT(difference(joined.lse, whole.lse), 2e-6);
}

TEST_F(Merge, IsAssociativeAndCommutative) {
  const auto a = run(0, 37), b = run(37, 100), c = run(100, 150);
  EXPECT_EQ(difference(merge(a, b).out, merge(b, a).out), 0);
  EXPECT_LT(difference(merge(merge(a, b), c).out, merge(a, merge(b, c)).out), 1e-6);
}

TEST_F(Merge, OfNoKeysChangesNothing) {
  const auto whole = attention_forward(q, k, v), none = run(5, 5);
  const auto joined = merge(whole, none);
  EXPECT_EQ(difference(joined.out, whole.out), 0);
  EXPECT_EQ(difference(joined.lse, whole.lse), 0);
  const auto empty = merge(none, none);
  EXPECT_EQ(difference(empty.out, tensor(whole.out.shape())), 0);
  EXPECT_EQ(empty.lse.item({0, 0, 0}), -infinity);
}

TEST_F(Merge, PassesNanOn) {
  const auto broken = run(0, 37);
  broken.out.at<float>(0, 1, 2, 3) = NAN, broken.lse.at<float>(0, 1, 2) = NAN;
  for (const auto& joined : {merge(broken, run(5, 5)), merge(run(37, 100), broken)}) {
    EXPECT_TRUE(std::isnan(joined.lse.item({0, 1, 2})));
    EXPECT_TRUE(std::isnan(joined.out.item({0, 1, 2, 0})));
    EXPECT_TRUE(std::isfinite(joined.out.item({0, 1, 1, 0})));
  }
}

TEST_F(Merge, TheBackwardOfThePartsAddsUpToTheWhole) {
  const auto whole = attention_forward(q, k, v), a = run(0, 37), b = run(37, 150);
  const auto joined = merge(a, b);
  const tensor dout = normal(whole.out.shape(), 4, dtype::float32);
  const auto g = whole.backward(dout), ga = a.backward(dout, joined), gb = b.backward(dout, joined);
  EXPECT_LT(difference(ga.dk, g.dk.slice(1, 0, 37)), 2e-6);
  EXPECT_LT(difference(gb.dk, g.dk.slice(1, 37, 150)), 2e-6);
  EXPECT_LT(difference(gb.dv, g.dv.slice(1, 37, 150)), 2e-6);
  const tensor sum = ga.dq.clone();
  for (std::size_t i = 0; i < sum.values<float>().size(); ++i) sum.values<float>()[i] += gb.dq.values<float>()[i];
  EXPECT_LT(difference(sum, g.dq), 2e-6);
}

TEST_F(Merge, RefusesWhatDoesNotFitTogether) {
  const auto a = run(0, 37), other = attention_forward(q.slice(1, 0, 9), k, v);
  EXPECT_EQ(
      message_of([&] { merge(a, other); }),
      "merge: expected two runs of the same queries, out [B, T, H, E] and lse [B, T, H]; found out [2, 33, 4, 20] "
      "and [2, 9, 4, 20], lse [2, 33, 4] and [2, 9, 4]");
  const attended wide{a.out.to(dtype::float64), a.lse.to(dtype::float64)};
  EXPECT_EQ(message_of([&] { merge(a, wide); }),
            "merge: expected out and lse all float32, or all float64; found float32, float32, float64, float64");
  const auto sunk = attention_forward(q, k, v, softmax_with_sink(tensor({4})));
  EXPECT_NE(message_of<unsupported_error>([&] {
              merge(a, sunk);
            }).find("merge: expected softmax over all links, without a sink"),
            std::string::npos);
  EXPECT_NE(message_of<unsupported_error>([&] { a.backward(a.out, sunk); }), "no exception");
}

}  // namespace
}  // namespace qkv
