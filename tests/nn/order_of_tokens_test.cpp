// Attention by itself does not see the order of tokens; every kind of position breaks that, and none by accident.
#include <gtest/gtest.h>

#include "qkv/attention/oracle.h"
#include "qkv/nn/multi_head_attention.h"
#include "qkv/nn/positions.h"
#include "tests/autograd/gradient_check.h"

namespace qkv {
namespace {

constexpr long tokens = 7, width = 16, heads = 2;
constexpr long order[tokens] = {3, 0, 6, 1, 5, 2, 4};

tensor shuffled(const tensor& x) {
  const tensor y(x.shape(), x.type());
  for (long t = 0; t < tokens; ++t) y.select(1, t).copy_from(x.select(1, order[t]));
  return y;
}

nn::multi_head_attention self_attention_with(const rotary_table* rotary, attention_parts parts) {
  nn::initialisation init(1);
  init.deviation = 0.5;
  return nn::multi_head_attention({.width = width, .heads = heads, .out_deviation = 0.5, .rotary = rotary}, init,
                                  std::move(parts));
}

/// How far attention of shuffled tokens is from shuffled attention of tokens, at most.
double distance(const nn::multi_head_attention& attend, const tensor& added = {}) {
  const tensor x = random_tensor({1, tokens, width}, 1);
  const auto outcome = [&](const tensor& given) {
    const variable in(given);
    return attend(added.empty() ? in : add(in, variable(added.reshape({1, tokens, width})))).value();
  };
  const tensor a = shuffled(outcome(x)), b = outcome(shuffled(x));
  double most = 0;
  for (long i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(double(a.values<float>()[std::size_t(i)]) - b.values<float>()[std::size_t(i)]));
  return most;
}

TEST(OrderOfTokens, IsNotSeenWithoutPositionsInDoublePrecision) {
  const auto in_double = [](std::uint64_t stream) {
    const tensor from = random_tensor({1, tokens, heads, 8}, stream), to(from.shape(), dtype::float64);
    for (long i = 0; i < from.size(); ++i) to.values<double>()[std::size_t(i)] = from.values<float>()[std::size_t(i)];
    return to;
  };
  const tensor q = in_double(1), k = in_double(2), v = in_double(3);
  const tensor a = shuffled(oracle::attention(q, k, v)),
               b = oracle::attention(shuffled(q), shuffled(k), shuffled(v));
  for (long i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a.values<double>()[std::size_t(i)], b.values<double>()[std::size_t(i)], 1e-14);
}

TEST(OrderOfTokens, IsNotSeenToTheBitWhereNothingIsSummed) {
  EXPECT_EQ(distance(self_attention_with(nullptr, make_attention_parts(hardmax))), 0);
}

TEST(OrderOfTokens, IsNotSeenWithoutPositionsButForRounding) {
  EXPECT_LT(distance(self_attention_with(nullptr, make_attention_parts())), 1e-5);
  EXPECT_LT(distance(self_attention_with(nullptr, make_attention_parts(cosine, softcap(5), sigmoid_weights()))), 1e-5);
}

TEST(OrderOfTokens, IsSeenWithEveryKindOfPosition) {
  const auto plain = self_attention_with(nullptr, make_attention_parts());
  EXPECT_GT(distance(plain, random_tensor({tokens, width}, 9)), 0.01) << "learned";
  EXPECT_GT(distance(plain, nn::sinusoidal_positions(tokens, width)), 0.01);
  EXPECT_GT(distance(plain, nn::fourier_positions(tokens, width)), 0.01);
  const rotary_table turn = make_rotary_table(tokens, width / heads);
  EXPECT_GT(distance(self_attention_with(&turn, make_attention_parts())), 0.01) << "rotary";
  EXPECT_GT(distance(self_attention_with(nullptr, make_attention_parts(alibi(alibi_slopes(heads))))), 0.01) << "alibi";
  EXPECT_GT(distance(self_attention_with(nullptr, make_attention_parts(relative_bias(random_tensor({heads, 8}, 4))))), 0.01)
      << "relative";
  EXPECT_GT(distance(self_attention_with(nullptr, make_attention_parts(local_bias(random_tensor({heads, 5}, 4))))), 0.01)
      << "local";
  EXPECT_GT(distance(self_attention_with(nullptr, make_attention_parts(causal))), 0.01) << "a causal mask tells order too";
}

}  // namespace
}  // namespace qkv
