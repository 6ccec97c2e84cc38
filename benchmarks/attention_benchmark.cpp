// Attention by shape, forward and backward, beside PyTorch's scaled_dot_product_attention.
#include <fmt/format.h>

#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"

namespace qkv::benchmarks {
namespace {

struct measured_shape {
  attention_shape shape;
  bool causal;

  std::string name() const {
    const auto& [batch, heads, key_heads, queries, keys, width] = shape;
    return fmt::format("{} x {} x {}, D {}, {}", batch, heads, queries, width, causal ? "causal" : "full");
  }
};

std::vector<measured_shape> all_shapes() {
  std::vector<measured_shape> all;
  for (const bool causal : {false, true}) all.push_back({{1, 8, 8, 4096, 4096, 64}, causal});
  for (const bool causal : {false, true}) all.push_back({{1, 8, 8, 4096, 4096, 128}, causal});
  for (const bool causal : {false, true}) all.push_back({{1, 16, 16, 1024, 1024, 64}, causal});
  for (const bool causal : {false, true}) all.push_back({{1, 1, 1, 4096, 4096, 64}, causal});
  for (const bool causal : {false, true}) all.push_back({{8, 12, 12, 512, 512, 64}, causal});
  for (const bool causal : {false, true}) all.push_back({{64, 8, 8, 32, 32, 32}, causal});
  return all;
}

class shape_benchmark {
 public:
  shape_benchmark(session& s, result_table& t, const measured_shape& m)
      : session_(s), table_(t), measured_(m), case_(m.shape, m.causal ? make_formula(causal) : make_formula()) {
    case_.forward();  // backward needs its outcome
  }

  void run(const std::string& pass) {
    const std::string name = pass + ", " + measured_.name();
    if (!session_.wants("attention", name)) return;
    const auto& [batch, heads, key_heads, queries, keys, width] = measured_.shape;
    const bool is_forward = pass == "forward";
    std::vector<trial> contestants{trial_of([&] { is_forward ? case_.forward() : case_.backward(); })};
    for (trial& one : session_.peer_trials({{"case", "attention"},
                                            {"pass", pass},
                                            {"B", batch},
                                            {"H", heads},
                                            {"G", key_heads},
                                            {"T", queries},
                                            {"S", keys},
                                            {"D", width},
                                            {"causal", measured_.causal}}))
      contestants.push_back(std::move(one));
    const turns t = session_.take_turns(contestants);
    const double links = measured_.causal ? causal_links(measured_.shape) : measured_.shape.pairs();
    const double gflops = (is_forward ? forward_flops : backward_flops)(links, width) / t.seconds[0] * 1e-9;
    nlohmann::ordered_json row{
        {"ms", t.seconds[0] * 1e3}, {"gflops", gflops}, {"peak", 100 * gflops / session_.peak().gflops()}};
    session_.add_peer_figures(row, t);
    row["others"] = t.others;
    table_.add(name, row);
  }

 private:
  session& session_;
  result_table& table_;
  const measured_shape& measured_;
  attention_case case_;
};

}  // namespace

void measure_attention(session& s) {
  std::vector<column> columns{{"ms", "ms", 2}, {"gflops", "GFLOP/s", 0}, {"peak", "of peak", 0, "%"}};
  for (column& c : s.peer_columns()) columns.push_back(std::move(c));
  columns.push_back(others_column);
  result_table t("attention", "attention, batch x heads x tokens", "attention", columns);
  for (const measured_shape& m : all_shapes()) {
    const bool any = s.wants("attention", "forward, " + m.name()) || s.wants("attention", "backward, " + m.name());
    if (!any) continue;
    shape_benchmark one(s, t, m);
    one.run("forward");
    one.run("backward");
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
