// Traced feature maps equal compiled ones, values and slopes.
#include "qkv/traced/traced_features.h"

#include <gtest/gtest.h>

#include "qkv/linear_attention/linear_attention.h"
#include "tests/attention/tensors.h"
#include "tests/base/message_of.h"
#include "tests/traced/symbols.h"

namespace qkv::traced {
namespace {

constexpr auto rule = [](auto x) { return select(x > 0, x + 1, exp(min(x, decltype(x)(0)))) * tanh(x); };

feature_map traced_rule() {
  return make_traced_features(traced([] { return rule(real_symbol::numbered(recording->given(opcode::score))); }));
}

TEST(TracedFeatures, EqualCompiledOnesForwardAndBackward) {
  for (const long channels : {1l, 7l, 16l, 300l}) {
    const tensor q = normal({2, 9, 4, channels}, 1, dtype::float32), k = normal({2, 9, 2, channels}, 2, dtype::float32),
                 v = normal({2, 9, 2, 5}, 3, dtype::float32), dout = normal({2, 9, 4, 5}, 4, dtype::float32);
    const auto compiled = linear_attention_forward(q, k, v, {.features = rule});
    const auto interpreted = linear_attention_forward(q, k, v, {.features = traced_rule()});
    EXPECT_LE(difference(interpreted.out, compiled.out), 1e-5);
    const auto a = compiled.backward(dout), b = interpreted.backward(dout);
    EXPECT_LE(difference(b.dq, a.dq), 1e-4);
    EXPECT_LE(difference(b.dk, a.dk), 1e-4);
    EXPECT_LE(difference(b.dv, a.dv), 1e-4);
  }
}

TEST(TracedFeatures, AnswerTheOracle) {
  const feature_map compiled(rule), interpreted = traced_rule();
  for (const double x : {-2.0, -0.25, 0.5, 3.0}) {
    EXPECT_NEAR(interpreted.at(x).value.v, compiled.at(x).value.v, 1e-12);
    EXPECT_NEAR(interpreted.at(x).slope.v, compiled.at(x).slope.v, 1e-12);
  }
}

TEST(TracedFeatures, RefuseAProgramOfTruth) {
  const program p = traced([] {
    const auto x = real_symbol::numbered(recording->given(opcode::score));
    return x > 0;
  });
  EXPECT_EQ(message_of<shape_error>([&] { make_traced_features(p); }),
            "feature map: expected a number; found a truth value or a whole number");
}

}  // namespace
}  // namespace qkv::traced
