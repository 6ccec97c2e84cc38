// What attention looks at, told without a T x S matrix: entropy, strongest links, mass received, distances, detectors,
// pooled maps, exact rows, likeness of heads, rollout.
//
// Weights are those of attention() with the same parts, before dropout.  Letters as in attention.h, and
//   N sequences (B, or the packed ones)   K links kept a query   C tokens   R rows and W columns of a map
#pragma once
#include <optional>

#include "qkv/attention/compiled_formula.h"
#include "qkv/attention/engine.h"

namespace qkv {

/// Links from queries row .. row + rows to keys key .. key + keys, counted in their own sequence.
struct link_rectangle {
  long row = 0, rows = 0, key = 0, keys = 0;
};

/// What is asked for.
struct statistics_request {
  bool entropy = true;
  bool maximum = true;
  bool received = true;
  long top = 8;                     ///< K, 0 .. 64
  bool distances = false;
  std::vector<std::int32_t> tokens{};  ///< [B, S]: what stands at each place; asks for the detectors
  std::optional<link_rectangle> map{};
  long map_rows = 0, map_columns = 0;  ///< R, W; 0: a cell for each link
  std::optional<tensor> shares{};   ///< [B, T]: what each query counts in `received`; 1 without it
};

/// Tensors that were not asked for are empty.
struct attention_statistics {
  tensor lse;          ///< [B, T, H]: the score that would weigh 1; for softmax the log-sum-exp
  tensor entropy;      ///< [B, T, H]: -sum p log p, natural units
  tensor maximum;      ///< [B, T, H]: the greatest weight
  tensor received;     ///< [B, S, H]: sum of weights over queries
  tensor top_keys;     ///< [B, T, H, K] int32, greatest weight first; -1 where a row has fewer links
  tensor top_weights;  ///< [B, T, H, K]
  tensor distances;    ///< [N, H, T + S - 1]: mean over queries of the weight at key - row = index - (T - 1)
  tensor detected;     ///< [N, H, 3]: mean weight on the token before, on an earlier equal token, on what followed one
  tensor map;          ///< [N, H, R, W]: mean weight of the links in each cell
};

/// q [B, T, H, D], k [B, S, G, D] float32; formula with alignment and layout as in attention_forward_with.
/// Throws shape_error as attention does; for a rectangle outside of T x S, tokens or shares of another size.
/// Cost: half of attention's products and a few passes over each row; memory O((T + S) D) and 48 S numbers a thread.
/// Source: entropy and distances of heads: Clark et al. 2019, arXiv:1906.04341; induction: Olsson et al. 2022,
/// arXiv:2209.11895.
attention_statistics statistics_with(const formula&, const tensor& q, const tensor& k, const statistics_request& = {},
                                     alignment = bottom_right, const sequences& = {});

/// Cosine between the weights of every two heads, [N, H, H] (as vectors of T S numbers).
tensor head_similarity_with(const formula&, const tensor& q, const tensor& k, alignment = bottom_right,
                            const sequences& = {});

/// The same with parts, as attention() takes them.
template <class... Parts>
attention_statistics statistics(const tensor& q, const tensor& k, const statistics_request& request, const Parts&... parts) {
  const auto formula = detail::formula_for(attention_variant(parts...).parts);
  const auto laid = formula->with(problem{});
  return statistics_with(*formula, q, k, request, laid.align, laid.ragged);
}
template <class... Parts>
tensor head_similarity(const tensor& q, const tensor& k, const Parts&... parts) {
  const auto formula = detail::formula_for(attention_variant(parts...).parts);
  const auto laid = formula->with(problem{});
  return head_similarity_with(*formula, q, k, laid.align, laid.ragged);
}

/// Queries and keys of one layer of a model.
struct attention_layer {
  std::shared_ptr<const formula> rule;
  tensor q, k;
};
/// How much of one token's result comes from each place: through every layer, last to first, half stays and half follows
/// the heads' mean weights (attention rollout: Abnar & Zuidema 2020, arXiv:2005.00928).  Returns [B, S], rows sum to 1.
/// Cost: statistics of each layer; never T x S.
tensor attention_rollout(const std::vector<attention_layer>& layers, long token);

}  // namespace qkv
