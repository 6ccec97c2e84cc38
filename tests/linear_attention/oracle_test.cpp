// The oracle of linear attention against what the papers promise, and its gradients against central differences.
#include "tests/linear_attention/random_case.h"

namespace qkv {
namespace {

/// scale * sum over keys of phi(q) . phi(k_s) v_s, and the sum of their weights: Katharopoulos et al. 2020, eq. 4.
double quadratic(const linear_inputs& x, long t, long h, long e, bool causal, bool normalised) {
  const long group = x.q.dim(2) / x.k.dim(2), D = x.q.dim(3);
  double sum = 0, weights = 0;
  for (long s = 0; s < (causal ? t + 1 : x.k.dim(1)); ++s) {
    double weight = 0;
    for (long d = 0; d < D; ++d)
      weight += x.options.features.at(x.q.item({0, t, h, d})).value.v *
                x.options.features.at(x.k.item({0, s, h / group, d})).value.v;
    sum += weight * x.v.item({0, s, h / group, e}), weights += weight;
  }
  return normalised ? sum / weights : sum / std::sqrt(double(D));
}

TEST(OracleLinearAttention, IsTheSumOverAllKeys) {
  for (const bool causal : {false, true})
    for (const bool normalised : {false, true}) {
      const linear_case c{.seed = 1,
                          .queries = 6,
                          .keys = 6,
                          .key_heads = 2,
                          .group = 2,
                          .channels = 3,
                          .values = 5,
                          .causal = causal,
                          .normalise = normalised,
                          .features = 1};
      const linear_inputs x = inputs_of(c);
      const tensor out = oracle::linear_attention(x.q, x.k, x.v, x.options);
      each_index(out.shape(), [&](const shape& at) {
        EXPECT_NEAR(out.item({at[0], at[1], at[2], at[3]}), quadratic(x, at[1], at[2], at[3], causal, normalised),
                    1e-12);
      });
    }
}

TEST(OracleLinearAttention, TheDeltaRuleRecallsWhatItWroteLast) {
  // Keys of length 1 with beta 1: what stood under a key is replaced, not added to.
  const tensor keys({1, 3, 1, 2}, {1, 0, 0, 1, 1, 0}), values({1, 3, 1, 1}, {5, 7, 9});
  const linear_attention_options delta{.rule = update_rule::delta, .scale = 1, .beta = tensor::full({1, 3, 1}, 1)};
  const tensor recalled = oracle::linear_attention(keys, keys, values, delta);
  EXPECT_EQ(values_of(recalled), (std::vector<double>{5, 7, 9}));
  EXPECT_EQ(values_of(oracle::linear_attention(keys, keys, values, {.scale = 1})), (std::vector<double>{5, 7, 14}));
}

TEST(OracleLinearAttention, AGateFadesTheStateBeforeItIsRead) {
  const tensor ones = tensor::full({1, 3, 1, 1}, 1);
  const linear_attention_options gated{.rule = update_rule::gated,
                                       .decay = tensor::full({1, 3, 1}, std::log(0.5)),
                                       .state = tensor::full({1, 1, 1, 1}, 8)};
  const tensor out = oracle::linear_attention(ones, ones, ones, gated);  // 8 / 2 + 1, 5 / 2 + 1, 3.5 / 2 + 1
  EXPECT_LE(difference(out, tensor({1, 3, 1, 1}, {5, 3.5, 2.75})), 1e-6);
}

/// Worked out from the text of ONNX's operator: decay, retrieve, correct, write, read.
TEST(OracleLinearAttention, TheGatedDeltaRuleIsOnnxs) {
  const tensor q({1, 3, 1, 2}, {1, 0.5, -0.5, 1, 0.25, 0.75}), k({1, 3, 1, 2}, {0.6, 0.8, 0.8, -0.6, 0, 1});
  const tensor v({1, 3, 1, 2}, {1, 2, 3, -1, 0.5, 0.25});
  const linear_attention_options options{.rule = update_rule::gated_delta,
                                         .decay = tensor({1, 3, 1, 2}, {-0.1, -0.5, -0.2, -0.05, -1, -0.25}),
                                         .beta = tensor({1, 3, 1}, {0.9, 0.5, 0.25}),
                                         .state = tensor({1, 1, 2, 2}, {0.5, -1, 2, 0.25})};
  const tensor out({1, 3, 1, 2}, {0.5948458834, 0.9548880292, -0.5901429438, 1.2225498224, 0.1632198147, 0.6252171532});
  const tensor state({1, 1, 2, 2}, {0.5946138278, 0.0945185349, 0.1095656248, 1.1474145917});
  EXPECT_LE(difference(oracle::linear_attention(q, k, v, options), out), 1e-6);
  EXPECT_LE(difference(oracle::linear_attention_forward(q, k, v, options).state, state), 1e-6);
  EXPECT_LE(difference(linear_attention(q, k, v, options), out), 1e-6);
}

TEST(OracleLinearAttention, TheLastStateIsReturned) {
  const tensor k({1, 2, 1, 2}, {1, 2, 3, 4}), v({1, 2, 1, 1}, {10, 1});
  EXPECT_EQ(values_of(oracle::linear_attention_forward(k, k, v).state), (std::vector<double>{13, 24}));
  const auto run = oracle::linear_attention_forward(k, k, v, {.normalise = true});
  EXPECT_EQ(values_of(run.state), (std::vector<double>{13, 4, 24, 6}));  // each channel's sum of keys behind it
}

/// The gradient along a random direction of one input is what a difference of forward runs says.
TEST(OracleLinearAttention, HasTheGradientsOfItsDefinition) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    linear_case c = random_linear_case(seed);
    c.queries = std::min(c.queries, 7l), c.keys = std::min(c.keys, 7l), c.gaps = false;
    if (c.features == 2) c.features = 0;  // relu has a kink
    linear_inputs x = inputs_of(c);
    const linear_results r = run_oracle(x);
    const auto value = [&] {
      const auto run = oracle::linear_attention_forward(x.q, x.k, x.v, x.options);
      return product_sum(run.out, x.dout) + product_sum(run.state, x.dstate);
    };
    const auto follows = [&](const char* name, tensor& input, const tensor& gradient) {
      if (input.empty()) return;
      const tensor here = input.to(dtype::float64), direction = normal(input.shape(), seed + 1000);
      const auto moved = [&](double step) {
        input = here.clone();
        const auto to = input.values<double>(), along = direction.values<double>();
        for (std::size_t n = 0; n < to.size(); ++n) to[n] += step * along[n];
        return value();
      };
      const double expected = (moved(1e-5) - moved(-1e-5)) / 2e-5, found = product_sum(gradient, direction);
      input = here;
      EXPECT_NEAR(found, expected, 1e-6 * (1 + std::abs(expected))) << name << ", " << to_string(c);
    };
    follows("q", x.q, r.dq), follows("k", x.k, r.dk), follows("v", x.v, r.dv);
    follows("decay", x.options.decay, r.ddecay), follows("beta", x.options.beta, r.dbeta);
    follows("state", x.options.state, r.dstate);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace qkv
