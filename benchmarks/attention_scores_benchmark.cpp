// What a user's score costs: lambdas against none, forward and backward.
#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"

namespace qkv::benchmarks {
namespace {

struct scored {
  std::string name;
  std::shared_ptr<const formula> rule;
};

std::vector<scored> all_scores(long heads) {
  const auto half = [](auto s, auto) { return 0.5 * s; };
  const auto cap = [](auto s, auto) { return 30 * tanh(s / 30); };
  return {{"no score", make_formula(causal)},
          {"s / 2", make_formula(causal, half)},
          {"soft cap, 30 tanh(s / 30)", make_formula(causal, cap)},
          {"ALiBi, learned slopes", make_formula(causal, alibi(alibi_slopes(heads)))}};
}

}  // namespace

void measure_attention_scores(session& s) {
  const attention_shape shape{};
  result_table t("attention_scores", "scores, 1 x 8 x 4096, D 64, causal", "attention",
                 {{"ms", "ms", 1}, {"peak", "of peak", 0, "%"}, {"relative", "time / none", 2}, others_column});
  for (const std::string pass : {"forward", "backward"}) {
    if (!s.wants("attention_scores", pass)) continue;
    const auto scores = all_scores(shape.heads);
    std::vector<std::unique_ptr<attention_case>> cases;
    std::vector<trial> contestants;
    for (const scored& one : scores) {
      attention_case& c = *cases.emplace_back(std::make_unique<attention_case>(shape, one.rule));
      c.forward();
      contestants.push_back(trial_of([&c, pass] { pass == "forward" ? c.forward() : c.backward(); }));
    }
    const turns taken = s.take_turns(contestants);
    const double flops = (pass == "forward" ? forward_flops : backward_flops)(causal_links(shape), shape.width);
    for (std::size_t n = 0; n < scores.size(); ++n) {
      t.add(pass + ", " + scores[n].name, {{"ms", taken.seconds[n] * 1e3},
                                           {"peak", 100e-9 * flops / taken.seconds[n] / s.peak().gflops()},
                                           {"relative", taken.seconds[n] / taken.seconds[0]},
                                           {"others", taken.others}});
    }
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
