// Random linear attentions: sizes, options, numbers, all a function of a seed; and their comparison with the oracle.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "qkv/linear_attention/oracle.h"
#include "tests/attention/tensors.h"

namespace qkv {

struct linear_case {
  std::uint64_t seed = 0;
  long batch = 1, queries = 5, keys = 5, key_heads = 1, group = 1, channels = 4, values = 4;
  update_rule rule = update_rule::linear;
  bool causal = true, normalise = false, past = false;
  int features = 0;            ///< into ready_features()
  bool channel_decay = false;  ///< [B, T, G, D]
  bool shared_beta = false;    ///< [B, T, 1]
  double decay = 0.1;          ///< mean size of -g
  bool gaps = false;           ///< memory with other numbers between the rows
};

inline std::string to_string(const linear_case& c) {
  return fmt::format("case {}: B {}, T {}, S {}, G {}, H {}, D {}, E {}, {}{}{}{}, features {}, {} decay about {}{}{}",
                     c.seed, c.batch, c.queries, c.keys, c.key_heads, c.key_heads * c.group, c.channels, c.values,
                     name_of(c.rule), c.causal ? ", causal" : "", c.normalise ? ", normalised" : "",
                     c.past ? ", goes on" : "", c.features, c.channel_decay ? "channel" : "head", c.decay,
                     c.shared_beta ? ", one beta" : "", c.gaps ? ", gaps" : "");
}

inline feature_map features_number(int n) {
  if (n == 1) return features::elu_plus_one;
  if (n == 2) return features::relu;
  if (n == 3) return [](auto x) { return exp(0.3 * x); };
  return features::identity;
}

inline bool decays(update_rule rule) { return rule == update_rule::gated || rule == update_rule::gated_delta; }
inline bool corrects(update_rule rule) { return rule == update_rule::delta || rule == update_rule::gated_delta; }

inline linear_case random_linear_case(std::uint64_t seed) {
  const random_stream stream{seed, 99};
  std::uint64_t next = 0;
  const auto below = [&](long n) { return long(stream.below(next++, std::uint64_t(n))); };
  const long lengths[] = {0, 1, 2, 7, 31, 63, 64, 65, 100, 128, 150, 200};
  const long widths[] = {1, 2, 3, 5, 8, 16, 17, 24, 33};
  linear_case c{.seed = seed};
  c.batch = 1 + below(2), c.key_heads = 1 + below(3), c.group = 1 + below(3);
  c.queries = c.keys = lengths[below(12)];
  c.channels = widths[below(9)], c.values = widths[below(9)];
  c.rule = update_rule(below(4));
  c.features = corrects(c.rule) ? 0 : int(below(4));
  if (c.rule == update_rule::linear && below(3) == 0) c.causal = false, c.queries = lengths[below(12)];
  c.normalise = (c.features == 1 || c.features == 3) && below(2) == 0;
  c.past = below(2) == 0, c.channel_decay = below(2) == 0, c.shared_beta = below(3) == 0, c.gaps = below(2) == 0;
  c.decay = below(4) == 0 ? 3 : 0.1;
  return c;
}

/// The same numbers in memory with NaN between the rows.
inline tensor with_gaps(const tensor& t) {
  shape wide = t.shape();
  wide.back() += 3;
  const tensor part = tensor::full(wide, NAN).slice(-1, 1, 1 + t.dim(-1));
  part.copy_from(t);
  return part;
}

struct linear_inputs {
  tensor q, k, v, dout, dstate;
  linear_attention_options options;
};

inline linear_inputs inputs_of(const linear_case& c) {
  const long B = c.batch, S = c.keys, G = c.key_heads, H = G * c.group, D = c.channels, E = c.values;
  const auto numbers = [&](shape s, std::uint64_t which, double size = 1) {
    const tensor t = normal(std::move(s), c.seed * 16 + which, dtype::float32, size);
    return c.gaps ? with_gaps(t) : t;
  };
  linear_inputs x;
  x.q = numbers({B, c.queries, H, D}, 1);
  // Shorter than 1, as the delta rules want their keys.
  x.k = numbers({B, S, G, D}, 2, corrects(c.rule) ? 0.7 / std::sqrt(double(D)) : 1);
  x.v = numbers({B, S, G, E}, 3), x.dout = numbers({B, c.queries, H, E}, 4);
  const shape state{B, G, D, E + (c.normalise ? 1 : 0)};
  x.dstate = normal(state, c.seed * 16 + 5, dtype::float32);
  auto& o = x.options;
  o.rule = c.rule, o.features = features_number(c.features), o.causal = c.causal, o.normalise = c.normalise;
  if (c.past) o.state = normal(state, c.seed * 16 + 6, dtype::float32);
  if (c.past && c.normalise)
    for (float& s : o.state.values<float>()) s = std::abs(s);  // sums of keys are positive
  if (decays(c.rule)) o.decay = numbers(c.channel_decay ? shape{B, S, G, D} : shape{B, S, G}, 7, c.decay);
  if (decays(c.rule))
    for (long b = 0; b < B; ++b)
      for (long t = 0; t < S; ++t) {
        const tensor row = o.decay.select(0, b).select(0, t);
        row.copy_from([&] {
          const tensor negative = row.clone();
          for (float& g : negative.values<float>()) g = -std::abs(g);
          return negative;
        }());
      }
  if (corrects(c.rule)) {
    o.beta = normal({B, S, c.shared_beta ? 1 : G}, c.seed * 16 + 8, dtype::float32);
    for (float& b : o.beta.values<float>()) b = 1 / (1 + std::exp(-b));
  }
  return x;
}

struct linear_results {
  tensor out, state, dq, dk, dv, ddecay, dbeta, dstate;

  /// Calls f(name, tensor) for each that there is.
  void each(const std::function<void(const std::string&, const tensor&)>& f) const {
    f("out", out), f("state", state), f("dq", dq), f("dk", dk), f("dv", dv), f("dstate", dstate);
    if (!ddecay.empty()) f("ddecay", ddecay);
    if (!dbeta.empty()) f("dbeta", dbeta);
  }
};

template <class Run>
linear_results results_of(const Run& run, const linear_inputs& x) {
  const auto d = run.backward(x.dout, x.dstate);
  return {run.out, run.state, d.dq, d.dk, d.dv, d.ddecay, d.dbeta, d.dstate};
}
inline linear_results run_chunks(const linear_inputs& x) {
  return results_of(linear_attention_forward(x.q, x.k, x.v, x.options), x);
}
inline linear_results run_oracle(const linear_inputs& x) {
  return results_of(oracle::linear_attention_forward(x.q, x.k, x.v, x.options), x);
}

/// Differences count relative to the greatest number of a result, and to 1.
inline void expect_close(const linear_results& found, const linear_results& expected, double tolerance,
                         const std::string& what) {
  std::vector<tensor> all;
  expected.each([&](const std::string&, const tensor& t) { all.push_back(t); });
  std::size_t n = 0;
  found.each([&](const std::string& name, const tensor& t) {
    double size = 1;
    for (double y : values_of(all[n])) size = std::max(size, std::abs(y));
    EXPECT_LE(difference(t, all[n++]), tolerance * size) << name << " (of numbers up to " << size << "), " << what;
  });
}

}  // namespace qkv
