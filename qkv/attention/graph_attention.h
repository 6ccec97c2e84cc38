// Attention over the links of a graph: what attention() computes, where the links are a list instead of a rule.
//
//     graph g(nodes, nodes, edges);
//     tensor out = graph_attention(q, k, v, g);
//     tensor out = graph_attention(q, k, v, g, similarity([](auto q, auto k, auto w) { ... }, w), alibi(slopes));
//
// In the words of message passing every node gathers its neighbours' values, weighted by attention: AGGREGATE of
// Velickovic et al. 2018 (graph attention networks), whose e_ij is here any similarity and scores.
#pragma once
#include "qkv/attention/attention.h"
#include "qkv/attention/graph.h"

namespace qkv {

/// One graph for every sequence of the batch, or one for each.
class graphs {
 public:
  graphs(graph shared) : all_{std::move(shared)} {}
  graphs(std::vector<graph> of_each) : all_(std::move(of_each)), each_(true) {}

  const graph& of(long sequence) const { return all_[each_ ? sequence : 0]; }
  const std::vector<graph>& all() const { return all_; }
  bool each() const { return each_; }

 private:
  std::vector<graph> all_;
  bool each_ = false;
};

/// Graph attention into given memory; as attention_into.
void graph_attention_into(const formula&, const problem&, const graphs&, view<float, 4> out, view<float, 3> lse,
                          workspace&);

/// Gradients of sum(out * dout) into given memory; as attention_backward_into, save that what the forward pass found is
/// found again.
void graph_attention_backward_into(const formula&, const problem&, const graphs&, view<const float, 4> dout,
                                   view<float, 4> dq, view<float, 4> dk, view<float, 4> dv,
                                   std::span<float* const> learned, workspace&);

/// A finished forward pass and what its backward pass needs.  Shares storage with q, k and v: leave them as they are.
class graph_attention_run : public attended {
 public:
  graph_attention_run(attended done, std::shared_ptr<const formula>, tensor q, tensor k, tensor v, graphs, alignment,
                      sequences ragged);

  /// Gradients of sum(out * dout).  dout [B, T, H, E].
  /// Returns dq [B, T, H, D], dk [B, S, G, D], dv [B, S, G, E], and gradients[p] for a learned p.
  attention_gradients backward(const tensor& dout) const;

 private:
  std::shared_ptr<const formula> formula_;
  tensor q_, k_, v_;
  graphs graphs_;
  alignment align_;
  sequences ragged_;
};

/// The type-erased door.
graph_attention_run graph_attention_forward_with(std::shared_ptr<const formula>, const tensor& q, const tensor& k,
                                                 const tensor& v, const graphs&, alignment = bottom_right,
                                                 sequences = {});

/// Graph attention, ready for its backward pass.  Takes what `graph_attention` takes.
/// Returns .out [B, T, H, E] and .lse [B, T, H], as attention_forward.
template <class... Parts>
graph_attention_run graph_attention_forward(const tensor& q, const tensor& k, const tensor& v, const graphs& links,
                                            const Parts&... parts) {
  auto formula = detail::formula_for(attention_variant(parts...).parts);
  const auto laid = formula->with(problem{});
  return graph_attention_forward_with(formula, q, k, v, links, laid.align, laid.ragged);
}

/// Every query takes the weighted mean of the values at the end of its edges:
///
///     out[b,t,h] = sum over edges (t, s) of  weighting(score(similarity(q[b,t,h], k[b,s,g])))  v[b,s,g]
///
///   q  [B, T, H, D]    k  [B, S, G, D]    v  [B, S, G, E]    returns  [B, T, H, E]
///   float32, any strides with unit stride in the last axis; parts as attention() takes them.  A mask leaves out edges;
///   heads share the edges.  Places in edges are those of tensors, counted within each sequence; only at.query follows
///   the alignment.
///
/// A query without an edge gives 0, lse -infinity and no gradient; a key without one gets no gradient.
/// The same edges in any order give the same bits, and so does any number of threads.
/// Throws shape_error when shapes do not fit or a graph has other sizes than its sequence, unsupported_error for a part
/// that is not fused.
/// Cost: 2 (D + E) operations an edge and head, backward three times that; memory O((T + S) D) and 16 bytes an edge,
/// backward 8 more, and as much again as the greatest neighbourhood for each thread.
/// Source: Velickovic et al. 2018, arXiv:1710.10903, eq. 1 to 6.
template <class... Parts>
tensor graph_attention(const tensor& q, const tensor& k, const tensor& v, const graphs& links, const Parts&... parts) {
  return graph_attention_forward(q, k, v, links, parts...).out;
}

}  // namespace qkv
