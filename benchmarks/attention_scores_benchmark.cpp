// What a user's score costs: lambdas against none, and traced ones, as Python's are, against compiled ones.
#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"
#include "qkv/traced/ready_parts.h"
#include "qkv/traced/traced_formula.h"

namespace qkv::benchmarks {
namespace {

struct scored {
  std::string name;
  std::shared_ptr<const formula> rule;
  int compiled = -1;  ///< the same lambda, compiled
};

// The programs that Python's proxies record.
traced::program soft_cap_program() {
  traced::program p;
  const int s = p.given(traced::opcode::score), cap = p.real(30);
  p.finish(p.apply(traced::opcode::multiply, cap, p.apply(traced::opcode::tangent, p.apply(traced::opcode::divide, s, cap))));
  return p;
}
traced::program slope_program(const tensor& slopes) {
  traced::program p;
  const int distance = p.apply(traced::opcode::subtract, p.given(traced::opcode::key), p.given(traced::opcode::query));
  const int head[] = {p.given(traced::opcode::head)};
  const int slope = p.learned_entry(0, slopes.shape(), head);
  p.finish(p.apply(traced::opcode::add, p.given(traced::opcode::score), p.apply(traced::opcode::multiply, slope, distance)));
  return p;
}
traced::program causal_program() {
  traced::program p;
  p.finish(p.apply(traced::opcode::less_equal, p.given(traced::opcode::key), p.given(traced::opcode::query)));
  return p;
}

std::shared_ptr<const formula> traced_rule(traced::program score, std::vector<parameter> learned) {
  return traced::make_traced_formula({.similarity = {traced::similarity_named("dot"), {}, {}},
                              .weighting = {traced::weighting_named("softmax"), {}},
                              .mask = causal_program(),
                              .score = std::move(score),
                              .learned = std::move(learned)});
}

std::vector<scored> all_scores(long heads) {
  const tensor slopes = alibi_slopes(heads);
  const auto half = [](auto s, auto) { return 0.5 * s; };
  const auto cap = [](auto s, auto) { return 30 * tanh(s / 30); };
  return {{"no score", make_formula(causal)},
          {"s / 2", make_formula(causal, half)},
          {"soft cap, 30 tanh(s / 30)", make_formula(causal, cap)},
          {"ALiBi, learned slopes", make_formula(causal, alibi(slopes))},
          {"soft cap, traced", traced_rule(soft_cap_program(), {}), 2},
          {"ALiBi, learned slopes, traced", traced_rule(slope_program(slopes), {{slopes, "slopes", "H"}}), 3}};
}

}  // namespace

void measure_attention_scores(session& s) {
  const attention_shape shape{};
  result_table t("attention_scores", "scores, 1 x 8 x 4096, D 64, causal", "attention",
                 {{"ms", "ms", 1}, {"peak", "of peak", 0, "%"}, {"relative", "time / none", 2}, {"traced", "time / compiled", 2}, others_column});
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
      nlohmann::ordered_json row{{"ms", taken.seconds[n] * 1e3},
                                 {"peak", 100e-9 * flops / taken.seconds[n] / s.peak().gflops()},
                                 {"relative", taken.seconds[n] / taken.seconds[0]},
                                 {"others", taken.others}};
      if (scores[n].compiled >= 0) row["traced"] = taken.seconds[n] / taken.seconds[std::size_t(scores[n].compiled)];
      t.add(pass + ", " + scores[n].name, row);
    }
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
