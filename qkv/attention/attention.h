// Attention: the engine's front door.
//
//     tensor out = attention(q, k, v);
//     tensor out = attention(q, k, v, causal & sliding_window(256), softcap(30));
//     tensor out = attention(q, k, v, [](auto at) { return at.query >= at.key; });
//
// Letters of the shapes, here and everywhere:
//   B sequences   T queries   S keys   H query heads   G key heads (H is a multiple of G)
//   D channels of queries and keys     E channels of values
#pragma once
#include "qkv/attention/compiled_formula.h"
#include "qkv/attention/narrow.h"
#include "qkv/attention/second_order.h"

namespace qkv {

/// A finished forward pass and what its backward pass needs.  Shares storage with q, k and v: leave them as they are.
/// Over narrow keys or values (narrow.h) there is no backward pass: it throws unsupported_error.
class attention_run : public attended {
 public:
  attention_run(attended done, std::shared_ptr<const formula> formula, tensor q, tensor k, tensor v, alignment align,
                sequences ragged);

  /// Gradients of sum(out * dout).  dout [B, T, H, E].
  /// Returns dq [B, T, H, D], dk [B, S, G, D], dv [B, S, G, E], and gradients[p] for a learned p.
  attention_gradients backward(const tensor& dout) const;
  /// The same when these keys were only a part of `whole`, merged from several runs (softmax only).
  attention_gradients backward(const tensor& dout, const attended& whole) const;
  /// Gradients of <dq, cotangents.dq> + <dk, cotangents.dk> + <dv, cotangents.dv>, where dq, dk and dv are what
  /// backward(dout) returns; dout [B, T, H, E].  Returns dq, dk, dv, and ddout [B, T, H, E]; see second_order.h.
  attention_second_gradients second_order(const tensor& dout, const attention_cotangents& cotangents) const;

 private:
  std::shared_ptr<const formula> formula_;
  tensor q_, k_, v_;
  alignment align_;
  sequences ragged_;
};

/// The type-erased doors: one formula, problems given as tensors (float32; k and v bfloat16 too) or quantised.
attention_run attention_forward_with(std::shared_ptr<const formula>, const tensor& q, const tensor& k, const tensor& v,
                                     alignment = bottom_right, sequences = {});
attention_run attention_forward_with(std::shared_ptr<const formula>, const tensor& q, const quantised& k,
                                     const quantised& v, alignment = bottom_right, sequences = {});

/// Attention, ready for its backward pass.  Takes what `attention` takes.
/// Returns .out [B, T, H, E] and .lse [B, T, H]: the natural log of the sum of exp(score) of each row, -infinity where
/// a row has no live key.
template <class... Parts>
attention_run attention_forward(const tensor& q, const tensor& k, const tensor& v, const Parts&... parts) {
  auto formula = detail::formula_for(attention_variant(parts...).parts);
  const auto laid = formula->with(problem{});
  return attention_forward_with(formula, q, k, v, laid.align, laid.ragged);
}
template <class... Parts>
attention_run attention_forward(const tensor& q, const quantised& k, const quantised& v, const Parts&... parts) {
  auto formula = detail::formula_for(attention_variant(parts...).parts);
  const auto laid = formula->with(problem{});
  return attention_forward_with(formula, q, k, v, laid.align, laid.ragged);
}

/// Every query takes the weighted mean of the values, weighted by its similarity to the keys:
///
///     out[b,t,h] = sum over s of  weighting(score(similarity(q[b,t,h], k[b,s,g])))  v[b,s,g]
///
/// over the links (t, s) that the mask keeps.  Without parts: softmax(q . k / sqrt(D)), all links.
///
///   q  [B, T, H, D]    k  [B, S, G, D]    v  [B, S, G, E]    returns  [B, T, H, E]
///   float32, any strides with unit stride in the last axis; k and v may be bfloat16 or quantised (narrow.h).
///   parts, in any order, each optional:
///     similarity   dot, cosine, negative_squared_distance, additive(v), similarity(lambda)
///     scores       softcap(30), alibi(slopes), additive_bias(b), [](auto s, auto at) {...}; applied left to right
///     mask         causal, sliding_window(256), ... joined with & | !, or [](auto at) {...}
///     weighting    softmax, softmax_with_sink(sinks), sparsemax, top_k(8), sigmoid_weights(), ...
///     layout       bottom_right, top_left, packed(offsets), padded(lengths), scale(0.125)
///
/// Heads share keys in groups when G < H: head h reads key head h / (H / G) (arXiv:2305.13245).
/// A query with no link gives 0, lse -infinity and no gradient.
/// Throws shape_error when shapes do not fit, unsupported_error for a part that is not fused yet (see oracle.h).
/// Cost: 4 D operations a live link; memory O((T + S) D), never T x S (arXiv:2205.14135).
template <class... Parts>
tensor attention(const tensor& q, const tensor& k, const tensor& v, const Parts&... parts) {
  return attention_forward(q, k, v, parts...).out;
}
template <class... Parts>
tensor attention(const tensor& q, const quantised& k, const quantised& v, const Parts&... parts) {
  return attention_forward(q, k, v, parts...).out;
}

/// The type-erased form of a composition, to be stored and handed about.
template <class... Parts>
std::shared_ptr<const formula> make_formula(const Parts&... parts) {
  return detail::formula_for(attention_variant(parts...).parts);
}

/// Joins softmax attention of the same queries over two disjoint sets of keys (split KV, ring
/// attention: arXiv:2310.01889).  Associative and commutative; rows empty on both sides stay empty.
attended merge(const attended& a, const attended& b);

}  // namespace qkv
