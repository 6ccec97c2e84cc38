// Weightings as users write them, compiled: the fused engine against the oracle, both ways.
#include "tests/attention/compiled_lambdas.h"

namespace qkv {
namespace {

struct CompiledWeighting : CompiledLambda {
  tensor channels = normal({20}, 11, dtype::float32), matrix = normal({20, 20}, 12, dtype::float32, 0.1);

  /// Alone, and under a mask with scores that learn.
  template <class Weighting>
  void expect_same_under_masks_and_scores(const Weighting& w) const {
    expect_same(w);
    expect_same(w, causal & sliding_window(80), alibi(slopes), softcap(10));
  }
};

TEST_F(CompiledWeighting, Uniform) { expect_same_under_masks_and_scores(uniform); }
TEST_F(CompiledWeighting, Sparsemax) { expect_same_under_masks_and_scores(sparsemax); }
TEST_F(CompiledWeighting, Entmax15) { expect_same_under_masks_and_scores(entmax15); }
TEST_F(CompiledWeighting, TopK) { expect_same_under_masks_and_scores(top_k(9)); }
TEST_F(CompiledWeighting, Hardmax) { expect_same_under_masks_and_scores(hardmax); }
TEST_F(CompiledWeighting, Sigmoid) { expect_same_under_masks_and_scores(sigmoid_weights(-5)); }
TEST_F(CompiledWeighting, Relu) { expect_same_under_masks_and_scores(relu_weights(1 / 290.0)); }
TEST_F(CompiledWeighting, SquaredRelu) { expect_same_under_masks_and_scores(squared_relu_weights(1 / 290.0)); }
TEST_F(CompiledWeighting, SignedWeights) {
  expect_same(signed_weights(), scale(0.01));
  expect_same(signed_weights(), scale(0.01), causal & sliding_window(80), alibi(normal({4}, 5, dtype::float32, 1e-3)));
}
TEST_F(CompiledWeighting, SignedByDivision) {
  expect_same(signed_weights(normalised::by_division));
  expect_same(signed_weights(normalised::by_division), causal & sliding_window(80), softcap(10));
}
TEST_F(CompiledWeighting, LambdaAsItIs) {
  expect_same_under_masks_and_scores(weighting{[](auto x) { return 0.01 * log(1 + exp(x)); }});
}
TEST_F(CompiledWeighting, LambdaThatSumsToOne) {
  expect_same_under_masks_and_scores(weighting{[](auto x) { return log(1 + exp(x)); }, normalised::yes});
}
TEST_F(CompiledWeighting, LambdaDividedByItsSum) {
  expect_same_under_masks_and_scores(weighting{[](auto x) { return sigmoid(x); }, normalised::by_division});
}
TEST_F(CompiledWeighting, WhereSomeRowsAreEmpty) {
  const auto some = [](auto at) { return at.row % 5 != 2 && (at.query + at.key + at.head) % 4 != 0; };
  expect_same(some, entmax15);
  expect_same(some, top_k(9));
  expect_same(some, sigmoid_weights(-5));
}
TEST_F(CompiledWeighting, OfOtherSimilarities) {
  expect_same(sparsemax, cosine, scale(8), causal);
  expect_same(entmax15, negative_squared_distance, scale(0.1), sliding_window(60));
  expect_same(top_k(5), additive(channels), scale(0.3), softcap(10));
  expect_same(sigmoid_weights(-5), bilinear(matrix), alibi(alibi_slopes(4)));
}
TEST_F(CompiledWeighting, Dropout) {
  const attention_dropout some(0.3, 17);
  expect_same(some);
  expect_same(some, causal & sliding_window(80), alibi(slopes));
  expect_same(some, softmax_with_sink(slopes), causal);
  expect_same(some, sparsemax, cosine, scale(8));
  expect_same(some, top_k(9), softcap(10));
  expect_same(some, sigmoid_weights(-5));
  expect_same(some, signed_weights(normalised::by_division));
}

TEST_F(CompiledWeighting, HardmaxSendsNothingToQueriesAndKeys) {
  const auto g = attention_forward(q, k, v, hardmax).backward(dout);
  EXPECT_EQ(difference(g.dq, tensor(q.shape())), 0);
  EXPECT_EQ(difference(g.dk, tensor(k.shape())), 0);
  EXPECT_GT(difference(g.dv, tensor(v.shape())), 1);
}

}  // namespace
}  // namespace qkv
