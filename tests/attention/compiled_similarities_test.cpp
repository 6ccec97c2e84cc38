// Similarities as users write them, compiled: the fused engine against the oracle, both ways.
#include "tests/attention/compiled_lambdas.h"

namespace qkv {
namespace {

struct CompiledSimilarity : CompiledLambda {
  tensor channels = normal({20}, 11, dtype::float32), matrix = normal({20, 20}, 12, dtype::float32, 0.1),
         matrices = normal({4, 20, 20}, 13, dtype::float32, 0.1);
};

TEST_F(CompiledSimilarity, Cosine) { expect_same(cosine); }
TEST_F(CompiledSimilarity, CosineSharpenedAndCapped) { expect_same(cosine, scale(8), softcap(5), causal); }
TEST_F(CompiledSimilarity, Distance) { expect_same(negative_squared_distance, scale(0.1)); }
TEST_F(CompiledSimilarity, DistanceInAWindow) {
  expect_same(negative_squared_distance, scale(0.1), causal & sliding_window(60));
}
TEST_F(CompiledSimilarity, DistanceUnderALambda) {
  expect_same(
      negative_squared_distance, scale(0.1), [](auto s, auto at) { return s - 0.01 * abs(at.query - at.key); },
      [](auto at) { return (at.query + at.key + at.head) % 3 != 0; });
}
TEST_F(CompiledSimilarity, Bilinear) { expect_same(bilinear(matrix)); }
TEST_F(CompiledSimilarity, BilinearOfEveryHead) { expect_same(bilinear(matrices)); }
TEST_F(CompiledSimilarity, BilinearWithScoresThatLearn) {
  expect_same(bilinear(matrices), alibi(slopes), softcap(10), causal & sliding_window(90));
}
TEST_F(CompiledSimilarity, Additive) { expect_same(additive(channels)); }
TEST_F(CompiledSimilarity, AdditiveWithScoresThatLearn) {
  expect_same(additive(channels), additive_bias(pairs), softcap(10), causal & sliding_window(90));
}
TEST_F(CompiledSimilarity, LambdaOfQueryAndKey) {
  expect_same(similarity([](auto a, auto b) { return -abs(a - b); }), scale(0.2), sliding_window(50), softcap(20));
}
TEST_F(CompiledSimilarity, LambdaWithChannelWeights) {
  expect_same(similarity([](auto a, auto b, auto w) { return w * a * b; }, channels), scale(0.3), dilated(3));
}
TEST_F(CompiledSimilarity, LambdaWithSinkAndAlibi) {
  expect_same(similarity([](auto a, auto b, auto w) { return sigmoid(w * a) * b; }, channels), alibi(slopes),
              softmax_with_sink(normal({4}, 9, dtype::float32)));
}
TEST_F(CompiledSimilarity, Packed) {
  q = normal({1, 130, 4, 20}, 1, dtype::float32), k = normal({1, 130, 2, 20}, 2, dtype::float32);
  v = normal({1, 130, 2, 33}, 3, dtype::float32), dout = normal({1, 130, 4, 33}, 4, dtype::float32);
  expect_same(causal, packed({0, 50, 50, 51, 130}), additive(channels));
  expect_same(causal, packed({0, 50, 50, 51, 130}), bilinear(matrices));
  expect_same(causal, packed({0, 50, 50, 51, 130}), negative_squared_distance, scale(0.1));
}

}  // namespace
}  // namespace qkv
