// Scores as users write them, compiled: the fused engine against the oracle.
#include "tests/attention/compiled_lambdas.h"

namespace qkv {
namespace {

using CompiledScore = CompiledLambda;

TEST_F(CompiledScore, None) { expect_same(); }
TEST_F(CompiledScore, Scale) { expect_same(scale(0.11)); }
TEST_F(CompiledScore, Softcap) { expect_same(softcap(5)); }
TEST_F(CompiledScore, OneLine) {
  expect_same([](auto s, auto) { return 30 * tanh(s / 30); });
}
TEST_F(CompiledScore, Alibi) { expect_same(causal, alibi(alibi_slopes(4))); }
TEST_F(CompiledScore, RelativeBias) { expect_same(relative_bias(bias, {.max_distance = 61})); }
TEST_F(CompiledScore, LocalBias) {
  expect_same(local_bias(bias.slice(1, 0, 9).to_contiguous()));
  expect_same(causal, local_bias(bias.slice(1, 0, 6).to_contiguous(), sides::before));
}
TEST_F(CompiledScore, RelativeBiasBehind) {
  expect_same(causal, relative_bias(bias, {.bidirectional = false, .max_distance = 61}));
}
TEST_F(CompiledScore, DenseBias) { expect_same(additive_bias(pairs)); }
TEST_F(CompiledScore, DenseBiasOfKeys) { expect_same(additive_bias(normal({2, 1, 1, 290}, 8, dtype::float32))); }
TEST_F(CompiledScore, DenseBiasOfOneHead) { expect_same(additive_bias(normal({1, 1, 70, 290}, 8, dtype::float32))); }
TEST_F(CompiledScore, TwoBiases) { expect_same(additive_bias(pairs), alibi(slopes), softcap(20)); }
TEST_F(CompiledScore, ATensorTwice) {
  expect_same(alibi(slopes), score([](auto s, auto at, auto a) { return s + a[at.head]; }, slopes));
}
TEST_F(CompiledScore, Sink) { expect_same(causal & sliding_window(50), softmax_with_sink(slopes)); }
TEST_F(CompiledScore, Fading) {
  expect_same([](auto s, auto at) { return s * exp(-0.02 * abs(at.query - at.key)); });
}
TEST_F(CompiledScore, LogDistance) {
  expect_same([](auto s, auto at) { return s - log(1 + real(abs(at.query - at.key))); });
}
TEST_F(CompiledScore, Roots) {
  expect_same([](auto s, auto) { return sqrt(1 + s * s) + s / 2; });
}
TEST_F(CompiledScore, Gate) {
  expect_same([](auto s, auto at) { return s * sigmoid(s + at.head); });
}
TEST_F(CompiledScore, Selected) {
  expect_same([](auto s, auto at) { return select(at.query > at.key + 5, s, 0.5 * s - 1); });
}
TEST_F(CompiledScore, Clamped) {
  expect_same([](auto s, auto) { return min(max(s, -1), 1.5); });
}
TEST_F(CompiledScore, Distances) {
  expect_same([](auto s, auto at) { return s - 0.01 * (at.query - at.key) * real(at.head); });
}
TEST_F(CompiledScore, WholePart) {
  expect_same([](auto s, auto at) { return s + 0.1 * whole(real(at.key) / 7); });
}
TEST_F(CompiledScore, TemperatureOfTheHead) {
  expect_same(score([](auto s, auto at, auto t) { return s * exp(0.3 * t[at.head]); }, slopes));
}
TEST_F(CompiledScore, LearnedOfTwoAxes) {
  expect_same(score([](auto s, auto at, auto b) { return s + b[at.head, at.key % 16] * sigmoid(s); }, bias));
}
TEST_F(CompiledScore, ManyLookUps) {
  expect_same(score(
      [](auto s, auto at, auto b, auto a) {
        return s * a[at.head] + b[at.head, 0] * b[at.head, at.query % 16] + b[3 - at.head, at.key / 20 % 16] * 0.5 +
               a[0];
      },
      bias, slopes));
}
TEST_F(CompiledScore, TableLookUp) {
  const table weights{0, 3, 1, 2};
  expect_same([=](auto s, auto at) { return s + 0.25 * weights[at.key % 4]; });
}
TEST_F(CompiledScore, OfMinusInfinity) {
  expect_same([](auto s, auto at) { return select(at.query >= at.key, s, -std::numeric_limits<float>::infinity()); });
}
TEST_F(CompiledScore, Variant) {
  const attention_variant gemma{causal & sliding_window(40), softcap(30), scale(0.25)};
  expect_same(gemma);
  expect_same(gemma, alibi(slopes));
}
TEST_F(CompiledScore, EverythingAtOnce) {
  expect_same(score([](auto s, auto at, auto a) { return s + a[at.head]; }, slopes), softcap(10), additive_bias(pairs),
              (causal & sliding_window(90)) | global_tokens(3), softmax_with_sink(normal({4}, 9, dtype::float32)),
              scale(0.3));
}
TEST_F(CompiledScore, Packed) {
  const tensor x = normal({1, 130, 4, 20}, 1, dtype::float32), y = normal({1, 130, 2, 20}, 2, dtype::float32);
  q = x, k = y, v = normal({1, 130, 2, 33}, 3, dtype::float32), dout = normal({1, 130, 4, 33}, 4, dtype::float32);
  expect_same(causal, packed({0, 50, 50, 51, 130}), alibi(slopes));
}
TEST_F(CompiledScore, Padded) { expect_same(causal, padded({70, 13}, {200, 13}), softcap(20)); }

}  // namespace
}  // namespace qkv
