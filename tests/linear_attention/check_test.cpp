// What linear attention refuses, and in which words.
#include "tests/linear_attention/random_case.h"

namespace qkv {
namespace {

class LinearAttentionAtTheDoor : public testing::Test {
 protected:
  const tensor q{shape{2, 9, 4, 8}}, k{shape{2, 9, 2, 8}}, v{shape{2, 9, 2, 6}};

  std::string says(const tensor& a, const tensor& b, const tensor& c, const linear_attention_options& o = {}) const {
    return message_of([&] { linear_attention(a, b, c, o); });
  }
  std::string says(const linear_attention_options& o) const { return says(q, k, v, o); }
};

TEST_F(LinearAttentionAtTheDoor, ShapesThatDoNotFit) {
  EXPECT_EQ(says(tensor({9, 4, 8}), k, v), "linear_attention: expected q [B, T, H, D]; found q [9, 4, 8]");
  EXPECT_EQ(says({}, k, v), "linear_attention: expected q [B, T, H, D]; found q []");
  EXPECT_EQ(says(q.slice(0, 0, 1), k, v),
            "linear_attention: expected queries and keys of as many sequences B; found q [1, 9, 4, 8], k [2, 9, 2, 8]");
  EXPECT_EQ(says(q.slice(3, 0, 5), k, v),
            "linear_attention: expected queries and keys of as many channels D; found q [2, 9, 4, 5], k [2, 9, 2, 8]");
  EXPECT_EQ(says(q, k, v.slice(1, 0, 5)),
            "linear_attention: expected values with the B, S and G of the keys; found k [2, 9, 2, 8], v [2, 5, 2, 6]");
  EXPECT_EQ(says(q.slice(2, 0, 3), k, v),
            "linear_attention: expected query heads H a multiple of key heads G; found q [2, 9, 3, 8], k [2, 9, 2, 8]");
  EXPECT_EQ(says(q, k, v.slice(3, 0, 0)),
            "linear_attention: expected at least one channel D and E; found q [2, 9, 4, 8], v [2, 9, 2, 0]");
  EXPECT_EQ(says(q.slice(1, 0, 5), k, v),
            "linear_attention: expected as many queries T as keys S, since query t reads what key t wrote (or .causal "
            "= false); found q [2, 5, 4, 8], k [2, 9, 2, 8]");
}

TEST_F(LinearAttentionAtTheDoor, OptionsThatDoNotFit) {
  const tensor g({2, 9, 2}), b({2, 9, 2});
  EXPECT_EQ(says({.rule = update_rule::gated}), "linear_attention: expected decay for the rule `gated`; found none");
  EXPECT_EQ(says({.rule = update_rule::delta, .decay = g, .beta = b}),
            "linear_attention: expected no decay for the rule `delta`; found decay [2, 9, 2]");
  EXPECT_EQ(says({.rule = update_rule::gated_delta, .decay = g}),
            "linear_attention: expected beta for the rule `gated_delta`; found none");
  EXPECT_EQ(says({.rule = update_rule::gated, .decay = tensor({2, 9, 3})}),
            "linear_attention: expected decay [2, 9, 2] or [2, 9, 2, 8]; found decay [2, 9, 3]");
  EXPECT_EQ(says({.rule = update_rule::delta, .beta = tensor({2, 9})}),
            "linear_attention: expected beta [2, 9, 2] or [2, 9, 1]; found beta [2, 9]");
  EXPECT_EQ(says({.state = tensor({2, 4, 8, 6})}),
            "linear_attention: expected a state [B, G, D, E] = [2, 2, 8, 6]; found state [2, 4, 8, 6]");
  EXPECT_EQ(says({.normalise = true, .state = tensor({2, 2, 8, 6})}),
            "linear_attention: expected a state [B, G, D, E + 1] = [2, 2, 8, 7]; found state [2, 2, 8, 6]");
  EXPECT_EQ(says({.scale = NAN}), "linear_attention: expected a finite scale; found nan");
}

TEST_F(LinearAttentionAtTheDoor, RulesWithoutAnOption) {
  const auto refused = [&](const linear_attention_options& o) {
    return message_of<unsupported_error>([&] { linear_attention(q, k, v, o); });
  };
  EXPECT_EQ(refused({.rule = update_rule::gated, .causal = false, .decay = tensor({2, 9, 2})}),
            "linear_attention: the rule `gated` depends on the order of tokens; .causal = false is for the rule "
            "`linear`");
  EXPECT_EQ(refused({.rule = update_rule::delta, .normalise = true, .beta = tensor({2, 9, 2})}),
            "linear_attention: the rule `delta` takes from its state what it has written, so its weights have no sum "
            "to divide by; .normalise = true is for the rules `linear` and `gated`");
  EXPECT_EQ(message_of<unsupported_error>([&] { linear_attention(q, k.to(dtype::float64), v); }),
            "linear_attention: expected k of type float32; found float64; convert it with .to(dtype::float32)");
}

TEST_F(LinearAttentionAtTheDoor, GradientsOfAnotherShape) {
  const auto run = linear_attention_forward(q, k, v);
  EXPECT_EQ(message_of([&] { run.backward(q); }),
            "linear_attention backward: expected dout [2, 9, 4, 6]; found dout [2, 9, 4, 8]");
  EXPECT_EQ(message_of([&] { run.backward(run.out, v); }),
            "linear_attention backward: expected dstate [2, 2, 8, 6]; found dstate [2, 9, 2, 6]");
}

}  // namespace
}  // namespace qkv
