// Softmax over large logits, and over rows that one key dominates, against random normal inputs: the forward pass has
// no pass for the maximum, and these are the inputs on which it has to go back.
#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"

namespace qkv::benchmarks {
namespace {

struct inputs {
  std::string name;
  double logit_scale;  // of normal logits
  double sink;         // by which the first key stands above the others
};

void apply(const inputs& i, attention_case& c) {
  for (float& x : c.q.values<float>()) x = float(x * i.logit_scale);
  if (i.sink == 0) return;
  // The last channel belongs to the sink alone.
  const long last = c.q.dim(3) - 1;
  for (long h = 0; h < c.q.dim(2); ++h) {
    for (long t = 0; t < c.q.dim(1); ++t) c.q.at<float>(0, t, h, last) = 1;
    for (long s = 0; s < c.k.dim(1); ++s) c.k.at<float>(0, s, h, last) = 0;
    c.k.at<float>(0, 0, h, last) = float(i.sink * std::sqrt(double(last + 1)));
  }
}

}  // namespace

void measure_attention_inputs(session& s) {
  const attention_shape shape{};
  const std::vector<inputs> all{{"normal", 1, 0},
                                {"logits times 10", 10, 0},
                                {"logits times 50", 50, 0},
                                {"first key 30 above", 1, 30},
                                {"first key 200 above", 1, 200}};
  result_table t("attention_inputs", "inputs, 1 x 8 x 4096, D 64", "attention",
                 {{"ms", "ms", 1}, {"peak", "of peak", 0, "%"}, {"relative", "time / normal", 2}, others_column});
  for (const bool is_causal : {false, true}) {
    for (const std::string pass : {"forward", "backward"}) {
      std::vector<std::unique_ptr<attention_case>> cases;
      std::vector<trial> contestants;
      const std::string kind = pass + (is_causal ? ", causal, " : ", full, ");
      if (!s.wants("attention_inputs", kind)) continue;
      for (const inputs& i : all) {
        attention_case& c = *cases.emplace_back(
            std::make_unique<attention_case>(shape, is_causal ? make_formula(causal) : make_formula()));
        apply(i, c);
        c.forward();
        contestants.push_back(trial_of([&c, pass] { pass == "forward" ? c.forward() : c.backward(); }));
      }
      const turns taken = s.take_turns(contestants);
      const double links = is_causal ? causal_links(shape) : shape.pairs();
      const double flops = (pass == "forward" ? forward_flops : backward_flops)(links, shape.width);
      for (std::size_t n = 0; n < all.size(); ++n) {
        t.add(kind + all[n].name, {{"ms", taken.seconds[n] * 1e3},
                                   {"peak", 100e-9 * flops / taken.seconds[n] / s.peak().gflops()},
                                   {"relative", taken.seconds[n] / taken.seconds[0]},
                                   {"others", taken.others}});
      }
    }
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
