// Products of linear layers: y = x W^T, dx = dy W and dW = dy^T x, at the sizes of small and middling models.
#include <fmt/format.h>

#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"
#include "qkv/ops/linear.h"

namespace qkv::benchmarks {
namespace {

struct layer {
  std::string name;
  long rows, input, output;
};

const std::vector<layer> layers{
    {"characters: q, k, v", 768, 128, 384}, {"characters: output", 768, 128, 128},  {"characters: up", 768, 128, 512},
    {"characters: down", 768, 512, 128},    {"characters: head", 768, 128, 65},     {"GPT-2: q, k, v", 1024, 768, 2304},
    {"GPT-2: output", 1024, 768, 768},      {"GPT-2: up", 1024, 768, 3072},         {"GPT-2: down", 1024, 3072, 768},
    {"GPT-2: head", 256, 768, 50257},       {"GPT-2: up, one token", 1, 768, 3072},
};

struct product {
  std::string name;  // of the table and of the peer's pass
  std::string pass;
};
const product products[] = {{"forward", "forward"}, {"d input", "input"}, {"d weight", "weight"}};

std::function<void()> ours(const std::string& pass, const layer& l) {
  const tensor x = random_normal({l.rows, l.input}, 1), weight = random_normal({l.output, l.input}, 2),
               dy = random_normal({l.rows, l.output}, 3);
  if (pass == "forward") return [x, weight, y = dy] { linear_into(y, x, weight); };
  if (pass == "input") return [dx = x, weight, dy] { linear_backward_input_into(dx, dy, weight); };
  return [x, dweight = weight, dy] { linear_backward_weight(dweight, dy, x, writing::replace); };
}

}  // namespace

void measure_matmul(session& s) {
  std::vector<column> columns{{"ms", "ms", 3}, {"gflops", "GFLOP/s", 0}, {"peak", "of peak", 0, "%"}};
  for (column& c : s.peer_columns()) columns.push_back(std::move(c));
  columns.push_back(others_column);
  result_table t("matmul", "products, rows x input x output", "matmul", columns);
  for (const layer& l : layers) {
    for (const product& p : products) {
      const std::string name = fmt::format("{}, {}, {} x {} x {}", l.name, p.name, l.rows, l.input, l.output);
      if (!s.wants("matmul", name) || (l.rows == 1 && p.pass != "forward")) continue;
      std::vector<trial> contestants{trial_of(ours(p.pass, l))};
      for (trial& one :
           s.peer_trials({{"case", "linear"}, {"pass", p.pass}, {"N", l.rows}, {"I", l.input}, {"O", l.output}}))
        contestants.push_back(std::move(one));
      const turns taken = s.take_turns(contestants);
      const double gflops = 2e-9 * double(l.rows) * double(l.input) * double(l.output) / taken.seconds[0];
      nlohmann::ordered_json row{
          {"ms", taken.seconds[0] * 1e3}, {"gflops", gflops}, {"peak", 100 * gflops / s.peak().gflops()}};
      s.add_peer_figures(row, taken);
      row["others"] = taken.others;
      t.add(name, row);
    }
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
