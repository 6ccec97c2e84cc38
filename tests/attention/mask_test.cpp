// Ready-made masks at their edges: plain answers joined, counts beyond 32 bits, flags of every type.
#include "qkv/attention/mask.h"

#include <gmock/gmock.h>

#include <climits>

#include "tests/attention/compiled_lambdas.h"

namespace qkv {
namespace {

struct MaskEdges : CompiledLambda {
  void expect_equal(const auto& a, const auto& b) const {
    EXPECT_EQ(difference(attention(q, k, v, a), attention(q, k, v, b)), 0);
    EXPECT_EQ(difference(oracle::attention(q, k, v, a), oracle::attention(q, k, v, b)), 0);
  }
};

TEST_F(MaskEdges, PlainAnswersJoin) {
  const mask nothing{[](auto) { return false; }};
  expect_equal(everything & causal, causal);
  expect_equal(causal & everything, causal);
  expect_equal((!everything) | prefix(7), prefix(7));
  expect_equal(everything | causal, everything);
  expect_equal(everything & !nothing, everything);
  expect_equal(nothing & everything, prefix(0));
}

TEST_F(MaskEdges, CountsBeyondThirtyTwoBitsMeanAll) {
  for (const long all : {LONG_MAX, (1l << 32) + 3, 1l << 31}) {
    expect_equal(sliding_window(all), everything);
    expect_equal(sliding_window({.left = all, .right = all}), everything);
    expect_equal(sliding_window({.left = all}), sliding_window({.left = 400}));
    expect_equal(prefix(all), everything);
    expect_equal(global_tokens(all), everything);
    expect_equal(dilated(all), [](auto at) { return at.query == at.key; });
    expect_equal(random_blocks(all, 1), everything);
  }
}

TEST_F(MaskEdges, ANumberOfALambdaIsHeldWithinThirtyTwoBits) {
  const long far = 1l << 40;
  const unsigned long farther = ULONG_MAX;
  expect_equal([far](auto at) { return at.key < far; }, everything);
  expect_equal([far](auto at) { return at.key > -far; }, everything);
  expect_equal([farther](auto at) { return at.key < farther; }, everything);
}

TEST_F(MaskEdges, AFlagIsWhatIsNotZeroInItsOwnType) {
  const tensor halves({1, 1, 1, 290}), whole({1, 1, 1, 290}, dtype::int32);
  for (long j = 0; j < 290; ++j)
    halves.at<float>(0, 0, 0, j) = j % 3 ? 0.5f : 0, whole.at<std::int32_t>(0, 0, 0, j) = j % 3;
  expect_equal(dense_mask(halves), dense_mask(whole));
  expect_equal(dense_mask(halves.to(dtype::bfloat16)), dense_mask(whole));
  expect_equal(dense_mask(halves.to(dtype::float64)), dense_mask(whole));
  halves.at<float>(0, 0, 0, 4) = NAN;
  EXPECT_EQ(message_of([&] { dense_mask(halves); }), "dense_mask: expected flags that are numbers; found NaN");
}

}  // namespace
}  // namespace qkv
