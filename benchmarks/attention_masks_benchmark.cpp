// Masks cost what they leave: time against live links, each beside the same shape without a mask.
#include <fmt/format.h>

#include <atomic>

#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"
#include "qkv/base/threads.h"

namespace qkv::benchmarks {
namespace {

struct masked {
  std::string name;
  std::shared_ptr<const formula> rule;
  long window = 0;  ///< causal sliding window of this width, for FlexAttention
};

struct group {
  attention_shape shape;
  std::vector<masked> masks;  ///< the first one has no mask
};

// Documents of 512 and 1536 tokens in turn.
table document_ids(long tokens) {
  std::vector<std::int64_t> ids;
  for (long t = 0; t < tokens; ++t) ids.push_back(t / 2048 * 2 + (t % 2048 >= 512));
  return table(std::move(ids));
}

std::vector<group> all_groups() {
  const auto window = make_formula(causal & sliding_window(256));
  const auto bigbird = make_formula(sliding_window(96) | global_tokens(128) | random_blocks(64, 3));
  std::vector<group> all;
  for (const long width : {64, 128}) {
    all.push_back({{.heads = 8, .key_heads = 8, .queries = 4096, .keys = 4096, .width = width},
                   {{"no mask", make_formula(), 0}, {"the latest 256 keys", window, 256}}});
  }
  all.push_back({{.heads = 2, .key_heads = 2, .queries = 16384, .keys = 16384, .width = 64},
                 {{"no mask", make_formula(), 0},
                  {"the latest 256 keys", window, 256},
                  {"BigBird", bigbird, 0},
                  {"documents, causal", make_formula(causal & same_document(document_ids(16384))), 0}}});
  return all;
}

double live_links(const formula& f, const attention_shape& s) {
  if (!f.masks()) return s.pairs();
  std::atomic<long> links = 0;
  constexpr long lanes = 16;
  parallel_for(s.queries, [&](long row, int) {
    std::vector<std::int32_t> truth(std::size_t(s.keys + lanes));
    f.keep({0, 0, row, 1, 0, s.keys, s.keys - s.queries, s.queries, s.keys}, truth.data(), s.keys + lanes);
    links += std::count_if(truth.begin(), truth.begin() + s.keys, [](std::int32_t yes) { return yes != 0; });
  });
  return double(links) * double(s.batch * s.heads);
}

double share_visited(const tile_counts& c) { return double(c.full + c.partial) / double(c.full + c.partial + c.empty); }

class group_benchmark {
 public:
  group_benchmark(session& s, result_table& t, const group& g) : session_(s), table_(t), group_(g) {
    for (const masked& m : g.masks) {
      cases_.push_back(std::make_unique<attention_case>(g.shape, m.rule));
      cases_.back()->forward();
    }
  }

  void run(const std::string& pass, const std::string& prefix) {
    std::vector<trial> contestants;
    for (const auto& one : cases_) {
      contestants.push_back(trial_of([c = one.get(), pass] { pass == "forward" ? c->forward() : c->backward(); }));
    }
    if (pass == "forward")
      for (const auto& one : cases_) contestants.push_back(trial_of([c = one.get()] { c->find_tiles(); }));
    const turns taken = session_.take_turns(contestants);
    for (std::size_t n = 0; n < cases_.size(); ++n) {
      const masked& m = group_.masks[n];
      const double links = live_links(*m.rule, group_.shape), seconds = taken.seconds[n];
      const double flops = (pass == "forward" ? forward_flops : backward_flops)(links, group_.shape.width);
      nlohmann::ordered_json row{{"live", 100 * links / group_.shape.pairs()},
                                 {"tiles", 100 * share_visited(cases_[n]->tiles())},
                                 {"time", 100 * seconds / taken.seconds[0]},
                                 {"ms", seconds * 1e3},
                                 {"peak", 100e-9 * flops / seconds / session_.peak().gflops()}};
      if (pass == "forward") row["finding"] = 100 * taken.seconds[cases_.size() + n] / seconds;
      if (m.window && pass == "forward" && session_.chosen().thorough) add_flex(row, n);
      row["others"] = std::max(taken.others, row.value("others", 0.0));
      table_.add(prefix + m.name, row);
    }
  }

 private:
  void add_flex(nlohmann::ordered_json& row, std::size_t n) {
    std::vector<trial> contestants{trial_of([c = cases_[n].get()] { c->forward(); })};
    for (trial& one : session_.peer_trials({{"case", "window"},
                                            {"H", group_.shape.heads},
                                            {"T", group_.shape.queries},
                                            {"D", group_.shape.width},
                                            {"window", group_.masks[n].window}}))
      contestants.push_back(std::move(one));
    const turns taken = session_.take_turns(contestants);
    session_.add_peer_figures(row, taken);
    row["others"] = taken.others;
  }

  session& session_;
  result_table& table_;
  const group& group_;
  std::vector<std::unique_ptr<attention_case>> cases_;
};

}  // namespace

void measure_attention_masks(session& s) {
  std::vector<column> columns{{"live", "live", 2, "%"},
                              {"tiles", "tiles", 2, "%"},
                              {"time", "time", 2, "%"},
                              {"ms", "ms", 2},
                              {"finding", "finding tiles", 2, "%"},
                              {"peak", "of peak", 0, "%"}};
  if (s.chosen().thorough)
    for (column& c : s.peer_columns()) columns.push_back(std::move(c));
  columns.push_back(others_column);
  result_table t("attention_masks", "masks, batch x heads x tokens",
                 s.chosen().thorough ? "attention --thorough" : "attention", columns);
  for (const group& g : all_groups()) {
    const std::string shape =
        fmt::format("{} x {} x {}, D {}, ", g.shape.batch, g.shape.heads, g.shape.queries, g.shape.width);
    std::unique_ptr<group_benchmark> cases;
    for (const std::string pass : {"forward", "backward"}) {
      const std::string prefix = pass + ", " + shape;
      if (!s.wants("attention_masks", prefix)) continue;
      if (!cases) cases = std::make_unique<group_benchmark>(s, t, g);
      cases->run(pass, prefix);
    }
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
