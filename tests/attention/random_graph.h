// Random graphs for a random attention, and the same links as a mask for the oracle.
#pragma once
#include "qkv/attention/graph_attention.h"
#include "tests/attention/against_oracle.h"

namespace qkv {

/// A few edges for most queries, none for some, all for a few; in no order.
inline std::vector<edge> random_edges(dice& d, long queries, long keys) {
  std::vector<edge> all;
  const double most = d.chance(0.1) ? 0 : d.uniform(0, 0.4);
  for (long i = 0; i < queries; ++i) {
    const double share = d.chance(0.2) ? 0 : d.chance(0.05) ? 1 : d.uniform(0, most);
    for (long j = 0; j < keys; ++j)
      if (d.chance(share)) all.push_back({i, j});
  }
  for (std::size_t n = all.size(); n > 1; --n) std::swap(all[n - 1], all[std::size_t(d.below(long(n)))]);
  return all;
}

struct graph_case {
  graphs links;
  formula_ptr rule, with_mask;  ///< the case's formula; the same with the links as a dense mask
};

/// One graph for all sequences where they have the same sizes, at times; else one each.
inline graph_case graph_case_of(const attention_case& c) {
  dice d(c.seed + 99);
  const bool shared = c.how == sequences::whole && d.chance(0.5);
  const auto [B, H, T, S, D] = c.sizes();
  const tensor flags({B, 1, std::max(1l, T), std::max(1l, S)}, dtype::int32);
  std::vector<graph> each;
  for (long b = 0; b < B; ++b) {
    const auto [queries, keys] = c.how == sequences::whole ? std::pair{T, S} : c.lengths[std::size_t(b)];
    const auto edges = shared && b > 0 ? std::vector<edge>{} : random_edges(d, queries, keys);
    if (!shared || b == 0) each.emplace_back(queries, keys, edges);
    for (auto [i, j] : edges)
      for (long other = b; other < (shared ? B : b + 1); ++other) flags.at<std::int32_t>(other, 0l, i, j) = 1;
  }
  mask_tree with_links{mask_tree::all, nullptr, {mask_tree{mask_tree::all, make_formula(dense_mask(flags)), {}}}};
  if (!c.mask.empty()) with_links.branches.push_back(*tree_of(c.mask[0], c.sizes()));
  return {shared ? graphs(each[0]) : graphs(each), formula_of(c),
          formula_of(c, std::make_shared<mask_tree>(with_links))};
}

inline attention_results run_graph(const attention_case& c, const formula& f, const graphs& links,
                                   const attention_inputs& x, workspace& w) {
  const problem p = problem_of_case(c, x);
  const attention_results r = unwritten_results(c, f, x);
  graph_attention_into(f, p, links, r.out.view<float, 4>(), r.lse.view<float, 3>(), w);
  graph_attention_backward_into(f, p, links, x.dout.view<const float, 4>(), r.dq.view<float, 4>(),
                                r.dk.view<float, 4>(), r.dv.view<float, 4>(), data_of(r.learned), w);
  return r;
}

}  // namespace qkv
