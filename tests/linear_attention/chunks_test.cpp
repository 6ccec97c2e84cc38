// Chunks of tokens against the oracle, which takes one token at a time.
#include <cstring>

#include "qkv/base/memory.h"
#include "tests/base/with_threads.h"
#include "tests/linear_attention/random_case.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

class LinearAttention : public EverySet {
  const with_threads as_before_;
};

TEST_P(LinearAttention, RandomCasesAgreeWithTheOracle) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const linear_case c = random_linear_case(seed);
    const linear_inputs x = inputs_of(c);
    expect_close(run_chunks(x), run_oracle(x), 2e-5, to_string(c));
    if (HasFailure()) return;
  }
}

TEST_P(LinearAttention, EveryRuleAtTheBordersOfChunks) {
  for (const long length : {0, 1, 63, 64, 65, 129})
    for (int rule = 0; rule < 4; ++rule) {
      const linear_case c{.seed = 7,
                          .queries = length,
                          .keys = length,
                          .key_heads = 2,
                          .group = 2,
                          .channels = 16,
                          .values = 24,
                          .rule = update_rule(rule),
                          .past = true,
                          .channel_decay = true};
      const linear_inputs x = inputs_of(c);
      expect_close(run_chunks(x), run_oracle(x), 2e-5, to_string(c));
    }
}

TEST_P(LinearAttention, NoSequencesAndNoQueryHeads) {
  for (const auto& [batch, group] : {std::pair{0l, 1l}, {2l, 0l}, {0l, 0l}})
    for (int rule = 0; rule < 4; ++rule)
      for (const bool causal : {true, false}) {
        if (!causal && rule > 0) continue;
        const linear_case c{.seed = 2,
                            .batch = batch,
                            .queries = 70,
                            .keys = 70,
                            .group = group,
                            .rule = update_rule(rule),
                            .causal = causal,
                            .features = rule == 0 ? 1 : 0};
        const linear_inputs x = inputs_of(c);
        expect_close(run_chunks(x), run_oracle(x), 2e-5, to_string(c));
      }
}

TEST_P(LinearAttention, DecaysOfAnyStrength) {
  for (const double decay : {1e-4, 0.5, 5.0, 50.0, 500.0})
    for (const bool channel_decay : {false, true}) {
      const linear_case c{.seed = 11,
                          .queries = 150,
                          .keys = 150,
                          .key_heads = 2,
                          .channels = 16,
                          .values = 8,
                          .rule = update_rule::gated_delta,
                          .past = true,
                          .channel_decay = channel_decay,
                          .decay = decay};
      const linear_inputs x = inputs_of(c);
      expect_close(run_chunks(x), run_oracle(x), 2e-5, to_string(c));
    }
}

TEST_P(LinearAttention, StrongDecaysTakeNoMoreMemory) {
  const auto memory_with = [](double decay) {
    const linear_case c{.seed = 12,
                        .queries = 20000,
                        .keys = 20000,
                        .channels = 16,
                        .values = 16,
                        .rule = update_rule::gated,
                        .decay = decay};
    const linear_inputs x = inputs_of(c);
    const std::size_t before = memory_in_use().in_use;
    reset_memory_peak();
    linear_attention_forward(x.q, x.k, x.v, x.options);
    return double(memory_in_use().peak - before);
  };
  EXPECT_LT(memory_with(50), 2 * memory_with(0.01));
}

TEST_P(LinearAttention, ADecayOfMinusInfinityForgets) {
  linear_case c{
      .seed = 3, .queries = 40, .keys = 40, .channels = 8, .values = 8, .rule = update_rule::gated, .past = true};
  const linear_inputs x = inputs_of(c);
  x.options.decay.at<float>(0, 20, 0) = -INFINITY;
  const linear_results r = run_chunks(x);
  expect_close(r, run_oracle(x), 2e-5, to_string(c));
  const tensor rest = linear_attention(x.q.slice(1, 20, 40), x.k.slice(1, 20, 40), x.v.slice(1, 20, 40),
                                       {.rule = update_rule::gated, .decay = x.options.decay.slice(1, 20, 40)});
  EXPECT_EQ(difference(r.out.slice(1, 20, 40), rest), 0);
}

TEST_P(LinearAttention, PiecesGiveTheWhole) {
  for (int rule = 0; rule < 4; ++rule) {
    const linear_case c{.seed = 5,
                        .queries = 200,
                        .keys = 200,
                        .key_heads = 2,
                        .group = 2,
                        .channels = 16,
                        .values = 16,
                        .rule = update_rule(rule),
                        .past = true};
    const linear_inputs x = inputs_of(c);
    const auto whole = linear_attention_forward(x.q, x.k, x.v, x.options);
    linear_attention_options o = x.options;
    const long cuts[] = {0, 1, 2, 3, 40, 104, 168, 200};
    for (std::size_t n = 0; n + 1 < std::size(cuts); ++n) {
      const auto part = [&](const tensor& t) { return t.empty() ? t : t.slice(1, cuts[n], cuts[n + 1]); };
      o.decay = part(x.options.decay), o.beta = part(x.options.beta);
      const auto run = linear_attention_forward(part(x.q), part(x.k), part(x.v), o);
      EXPECT_LE(difference(run.out, part(whole.out)), 2e-5 * 20) << to_string(c) << ", from " << cuts[n];
      o.state = run.state;
    }
    EXPECT_LE(difference(o.state, whole.state), 2e-5 * 20) << to_string(c);
  }
}

TEST_P(LinearAttention, PiecesThatEndWithChunksGiveTheSameBits) {
  for (const update_rule rule : {update_rule::linear, update_rule::delta}) {
    const linear_case c{.seed = 6, .queries = 200, .keys = 200, .channels = 16, .values = 16, .rule = rule};
    const linear_inputs x = inputs_of(c);
    const auto whole = linear_attention_forward(x.q, x.k, x.v, x.options);
    linear_attention_options o = x.options;
    const auto part = [](const tensor& t, long a, long b) { return t.empty() ? t : t.slice(1, a, b); };
    o.beta = part(x.options.beta, 0, 128);
    o.state = linear_attention_forward(part(x.q, 0, 128), part(x.k, 0, 128), part(x.v, 0, 128), o).state;
    o.beta = part(x.options.beta, 128, 200);
    const auto rest = linear_attention_forward(part(x.q, 128, 200), part(x.k, 128, 200), part(x.v, 128, 200), o);
    EXPECT_EQ(difference(rest.out, part(whole.out, 128, 200)), 0) << to_string(c);
    EXPECT_EQ(difference(rest.state, whole.state), 0) << to_string(c);
  }
}

TEST_P(LinearAttention, GradientsFlowThroughPieces) {
  const linear_case c{
      .seed = 8, .queries = 90, .keys = 90, .channels = 8, .values = 8, .rule = update_rule::gated_delta};
  const linear_inputs x = inputs_of(c);
  const auto whole = linear_attention_forward(x.q, x.k, x.v, x.options).backward(x.dout);
  const auto run_from = [&](long a, long b, const tensor& state) {
    linear_attention_options o = x.options;
    o.decay = o.decay.slice(1, a, b), o.beta = o.beta.slice(1, a, b), o.state = state;
    return linear_attention_forward(x.q.slice(1, a, b), x.k.slice(1, a, b), x.v.slice(1, a, b), o);
  };
  const auto first = run_from(0, 50, {});
  const auto second = run_from(50, 90, first.state);
  const auto late = second.backward(x.dout.slice(1, 50, 90));
  const auto early = first.backward(x.dout.slice(1, 0, 50), late.dstate);
  EXPECT_LE(difference(early.dk, whole.dk.slice(1, 0, 50)), 1e-4);
  EXPECT_LE(difference(early.ddecay, whole.ddecay.slice(1, 0, 50)), 1e-4);
  EXPECT_LE(difference(late.dv, whole.dv.slice(1, 50, 90)), 1e-4);
}

TEST_P(LinearAttention, AnyNumberOfThreadsGivesTheSameBits) {
  for (std::uint64_t seed = 200; seed < 215; ++seed) {
    const linear_case c = random_linear_case(seed);
    const linear_inputs x = inputs_of(c);
    std::vector<tensor> first;
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      std::size_t n = 0;
      run_chunks(x).each([&](const std::string& name, const tensor& t) {
        const tensor dense = t.to_contiguous();
        if (threads == 1) return first.push_back(dense);
        const auto a = dense.values<float>(), b = first[n++].values<float>();
        EXPECT_TRUE(a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0)
            << name << " with " << threads << " threads, " << to_string(c);
      });
    }
  }
}

TEST_P(LinearAttention, StridesDoNotChangeTheBits) {
  linear_case c{.seed = 9,
                .batch = 2,
                .queries = 70,
                .keys = 70,
                .key_heads = 2,
                .group = 2,
                .channels = 16,
                .values = 8,
                .rule = update_rule::gated_delta,
                .channel_decay = true};
  const linear_results dense = run_chunks(inputs_of(c));
  c.gaps = true;
  linear_inputs x = inputs_of(c);
  x.v = x.v.transpose(-1, -2).clone().transpose(-1, -2);
  expect_close(run_chunks(x), dense, 0, to_string(c));
}

/// Which tokens of [1, T, 1, E] hold a NaN.
std::vector<long> tokens_with_nan(const tensor& t) {
  std::vector<long> found;
  for (long i = 0; i < t.dim(1); ++i)
    for (double x : values_of(t.select(0, 0).select(0, i)))
      if (!std::isfinite(x) && (found.empty() || found.back() != i)) found.push_back(i);
  return found;
}

TEST_P(LinearAttention, NanReachesNoEarlierToken) {
  for (int rule = 0; rule < 4; ++rule) {
    const linear_case c{.seed = 4, .queries = 30, .keys = 30, .channels = 4, .values = 4, .rule = update_rule(rule)};
    for (const int which : {0, 1, 2}) {
      const linear_inputs x = inputs_of(c);
      (which == 0 ? x.q : which == 1 ? x.k : x.v).at<float>(0, 20, 0, 1) = which == 2 ? INFINITY : NAN;
      const linear_results found = run_chunks(x), expected = run_oracle(x);
      EXPECT_EQ(tokens_with_nan(found.out), tokens_with_nan(expected.out)) << to_string(c) << ", input " << which;
      EXPECT_EQ(tokens_with_nan(found.out).front(), 20) << to_string(c);
      if (which == 0) { EXPECT_EQ(tokens_with_nan(found.out).size(), 1u) << to_string(c); }
    }
  }
}

TEST_P(LinearAttention, AnInfiniteValueStaysInItsChannel) {
  const linear_case c{.seed = 4, .queries = 30, .keys = 30, .channels = 4, .values = 4};
  const linear_inputs x = inputs_of(c);
  const tensor before = linear_attention(x.q, x.k, x.v, x.options);
  x.v.at<float>(0, 5, 0, 1) = INFINITY;
  const tensor after = linear_attention(x.q, x.k, x.v, x.options);
  EXPECT_LE(difference(after.slice(3, 2, 4), before.slice(3, 2, 4)), 1e-5);
  EXPECT_FALSE(std::isfinite(after.at<float>(0, 29, 0, 1)));
}

TEST_P(LinearAttention, ADivisorOfZeroGivesZeroAndNoGradient) {
  const tensor q = tensor::full({1, 3, 1, 2}, -1), k = tensor::full({1, 3, 1, 2}, 1), v = normal({1, 3, 1, 5}, 1);
  const auto run =
      linear_attention_forward(q, k, v.to(dtype::float32), {.features = features::relu, .normalise = true});
  EXPECT_EQ(difference(run.out, tensor({1, 3, 1, 5})), 0);
  const auto d = run.backward(run.out);
  EXPECT_EQ(difference(d.dk, tensor(k.shape())), 0);
  EXPECT_EQ(difference(d.dv, tensor(v.shape())), 0);
}

QKV_ON_EVERY_SET(LinearAttention);

}  // namespace
}  // namespace qkv
