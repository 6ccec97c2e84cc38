// Linear attention, by rule, beside fused softmax attention under a causal mask: time a token, as sequences grow.
#include <fmt/format.h>

#include <cmath>

#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"
#include "qkv/base/memory.h"
#include "qkv/linear_attention/linear_attention.h"

namespace qkv::benchmarks {
namespace {

struct rule_case {
  const char* name;
  linear_attention_options options;
};

// Decays of about 0.1 and keys of length 1, as trained models have them.
std::vector<rule_case> cases_of(const attention_shape& s) {
  tensor decay = random_normal({1, s.keys, s.key_heads}, 5);
  for (float& g : decay.values<float>()) g = -0.1f * std::abs(g);
  const tensor beta = tensor::full({1, s.keys, s.key_heads}, 0.5);
  return {{"linear", {}},
          {"elu + 1, normalised", {.features = features::elu_plus_one, .normalise = true}},
          {"gated", {.rule = update_rule::gated, .decay = decay}},
          {"delta", {.rule = update_rule::delta, .beta = beta}},
          {"gated_delta", {.rule = update_rule::gated_delta, .decay = decay, .beta = beta}}};
}

}  // namespace

void measure_linear_attention(session& s) {
  result_table t("linear_attention", "linear attention, 8 heads, D 64, causal", "linear_attention",
                 {{"forward_ns", "forward ns a token", 0},
                  {"backward_ns", "backward ns a token", 0},
                  {"softmax_ns", "softmax forward ns a token", 0},
                  {"ratio", "times faster forward", 1},
                  others_column});
  for (const long tokens : {4096, 16384}) {
    const attention_shape shape{.queries = tokens, .keys = tokens};
    for (const rule_case& c : cases_of(shape)) {
      const std::string name = fmt::format("{}, {} tokens", c.name, tokens);
      if (!s.wants("linear_attention", name)) continue;
      attention_case softmax_case(shape, make_formula(causal));
      const tensor k = softmax_case.k.clone();
      for (float& x : k.values<float>()) x /= std::sqrt(float(shape.width));
      const auto run = linear_attention_forward(softmax_case.q, k, softmax_case.v, c.options);
      const turns taken =
          s.take_turns({trial_of([&] { linear_attention(softmax_case.q, k, softmax_case.v, c.options); }),
                        trial_of([&] { run.backward(softmax_case.v); }), trial_of([&] { softmax_case.forward(); })});
      const double to_ns = 1e9 / double(tokens);
      t.add(name, {{"forward_ns", taken.seconds[0] * to_ns},
                   {"backward_ns", taken.seconds[1] * to_ns},
                   {"softmax_ns", taken.seconds[2] * to_ns},
                   {"ratio", taken.seconds[2] / taken.seconds[0]},
                   {"others", taken.others}});
    }
    release_kept_memory();
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
