// What similarities, weightings and statistics cost beside softmax of dot products.
#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"
#include "qkv/attention/statistics.h"
#include "qkv/numbers/widest.h"

namespace qkv::benchmarks {
namespace {

struct part {
  std::string name;
  std::shared_ptr<const formula> rule;
};

std::vector<part> weightings() {
  return {{"softmax", make_formula()},
          {"sigmoid", make_formula(sigmoid_weights(-8))},
          {"ReLU", make_formula(relu_weights(0.001))},
          {"sparsemax", make_formula(sparsemax)},
          {"entmax 1.5", make_formula(entmax15)},
          {"top-k, 32", make_formula(top_k(32))},
          {"uniform", make_formula(uniform)},
          {"softmax, dropout 0.1", make_formula(attention_dropout(0.1, 1))}};
}
std::vector<part> similarities(long width) {
  return {{"dot", make_formula()},
          {"cosine", make_formula(cosine, scale(8))},
          {"negative squared distance", make_formula(negative_squared_distance, scale(0.1))},
          {"bilinear", make_formula(bilinear(random_normal({width, width}, 5)), scale(0.01))}};
}

void measure_parts(session& s, const char* name, const char* title, const attention_shape& shape,
                   const std::vector<part>& parts) {
  result_table t(name, title, "attention",
                 {{"ms", "ms", 1}, {"relative", "time / first", 2}, others_column});
  for (const std::string pass : {"forward", "backward"}) {
    if (!s.wants(name, pass)) continue;
    std::vector<std::unique_ptr<attention_case>> cases;
    std::vector<trial> contestants;
    for (const part& one : parts) {
      attention_case& c = *cases.emplace_back(std::make_unique<attention_case>(shape, one.rule));
      c.forward();
      contestants.push_back(trial_of([&c, pass] { pass == "forward" ? c.forward() : c.backward(); }));
    }
    const turns taken = s.take_turns(contestants);
    for (std::size_t n = 0; n < parts.size(); ++n)
      t.add(pass + ", " + parts[n].name, {{"ms", taken.seconds[n] * 1e3},
                                          {"relative", taken.seconds[n] / taken.seconds[0]},
                                          {"others", taken.others}});
  }
  s.keep(t);
}

// Additive attention's own roofline: w tanh(q + k) on registers, nothing read or written.
double tanh_rate() {
  constexpr long rounds = 200000;
  double seconds = 0, terms = 0;
  widest([&](auto set) {
    using Real = typename decltype(set)::real;
    Real sums[8], x[8];
    for (int n = 0; n < 8; ++n) sums[n] = Real(0), x[n] = Real(0.1 * n);
    const auto start = std::chrono::steady_clock::now();
    for (long r = 0; r < rounds; ++r)
      for (int n = 0; n < 8; ++n) {
        sums[n] = sums[n] + Real(0.5) * tanh(x[n]);
        asm volatile("" : "+x"(x[n].v));
      }
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    volatile float keep = 0;
    for (int n = 0; n < 8; ++n) keep = keep + sum(sums[n]);
    terms = 8.0 * rounds * decltype(set)::width;
  });
  return terms / seconds;
}

void measure_additive(session& s) {
  if (!s.wants("attention_additive", "forward")) return;
  const attention_shape shape{.heads = 2, .key_heads = 2, .queries = 1024, .keys = 1024};
  attention_case c(shape, make_formula(additive(random_normal({shape.width}, 5))));
  double best = 0;
  const turns taken = s.take_turns({trial_of([&] { c.forward(); }), trial_of([&] { best = std::max(best, tanh_rate()); })});
  const double terms = shape.pairs() * double(shape.width), limit = best * double(thread_count());
  result_table t("attention_additive", "additive, 1 x 2 x 1024, D 64, forward", "attention",
                 {{"ms", "ms", 1}, {"terms", "10^9 terms/s", 2}, {"of_limit", "of tanh rate", 0, "%"}, others_column});
  t.add("additive", {{"ms", taken.seconds[0] * 1e3}, {"terms", terms / taken.seconds[0] * 1e-9},
                     {"of_limit", 100 * terms / taken.seconds[0] / limit}, {"others", taken.others}});
  s.keep(t);
}

void measure_statistics(session& s) {
  if (!s.wants("attention_statistics", "statistics")) return;
  const attention_shape shape{};
  attention_case plain(shape);
  const auto rule = make_formula();
  const auto ask = [&](const statistics_request& r) {
    return trial_of([&plain, &rule, r] { statistics_with(*rule, plain.q, plain.k, r); });
  };
  const turns taken = s.take_turns({trial_of([&] { plain.forward(); }), ask({.maximum = false}),
                                    ask({.entropy = false, .maximum = false, .received = false, .top = 0})});
  result_table t("attention_statistics", "statistics, 1 x 8 x 4096, D 64", "attention",
                 {{"ms", "ms", 1}, {"relative", "time / forward", 2}, others_column});
  const char* names[] = {"plain forward", "entropy, top 8, mass received", "levels alone"};
  for (int n = 0; n < 3; ++n)
    t.add(names[n], {{"ms", taken.seconds[n] * 1e3}, {"relative", taken.seconds[n] / taken.seconds[0]}, {"others", taken.others}});
  s.keep(t);
}

}  // namespace

void measure_attention_parts(session& s) {
  const attention_shape shape{};
  measure_parts(s, "attention_weightings", "weightings, 1 x 8 x 4096, D 64", shape, weightings());
  measure_parts(s, "attention_similarities", "similarities, 1 x 8 x 4096, D 64", shape, similarities(shape.width));
  measure_additive(s);
  measure_statistics(s);
}

}  // namespace qkv::benchmarks
