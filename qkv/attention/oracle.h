// The oracle: attention as it is defined, in double precision, one row at a time in plain loops.  Read it first; the
// fused engine computes the same faster and is tested against it.  It holds every similarity, score, mask and
// weighting, the fused ones and those that the engine still refuses.
//
// Letters as in attention.h.  Cost: D operations a link times about a hundred; memory O(S) a row beside the results.
#pragma once
#include "qkv/attention/compiled_formula.h"
#include "qkv/attention/second_order.h"

namespace qkv::oracle {

/// out [B, T, H, E] and lse [B, T, H] in float64.  lse is the row's threshold (weighting.h): the log-sum-exp of its
/// scores for softmax and its kin, the sink included; 0 where weights are not normalised; -infinity for a row without a
/// link. Throws shape_error.
attended forward(const formula&, const problem_of<double>&);

/// Gradients of sum(out * dout) in float64; dout [B, T, H, E].
/// Throws shape_error.
attention_gradients backward(const formula&, const problem_of<double>&, view<const double, 4> dout);

/// The part of those gradients that belongs to the problem's keys, when they were only some of `whole`'s keys.
/// Throws shape_error; unsupported_error where rows cannot be split over their keys (see attended::splits).
attention_gradients backward_of_part(const formula&, const problem_of<double>&, const attended& whole,
                                     view<const double, 4> dout);

/// Gradients of L = <dq, cotangents.dq> + <dk, cotangents.dk> + <dv, cotangents.dv> in float64, where dq, dk and dv are
/// what `backward` returns for dout [B, T, H, E]: to q, k, v, dout, and every learned tensor.  Cotangents of any type.
/// Every formula has them: a difference of backward passes at four places along the cotangents, steps of 2^-10 of the
/// largest one, which leaves an error of about 1e-11 of the result where scores are of ordinary size, and means nothing
/// on a kink (sparsemax, top_k: where a link enters or leaves a row).
/// Throws shape_error.  Cost: four times that of forward and backward; memory also O((T + S) (D + E)).
attention_second_gradients second_order(const formula&, const problem_of<double>&, view<const double, 4> dout,
                                        const attention_cotangents& cotangents);

/// Every weight: [B, H, T, S] in float64, 0 where there is no link.  For inputs short enough to be looked at.
/// Throws shape_error.
tensor weights(const formula&, const problem_of<double>&);

/// A finished forward pass of the oracle; as qkv::attention_run, in float64.
class attention_run : public attended {
 public:
  attention_run(std::shared_ptr<const formula>, const tensor& q, const tensor& k, const tensor& v, alignment,
                sequences);

  /// Gradients of sum(out * dout), of q, k, v and of every learned tensor.  dout [B, T, H, E], of any type.
  attention_gradients backward(const tensor& dout) const;
  /// The same when these keys were only a part of `whole`, merged from several runs (softmax only).
  attention_gradients backward(const tensor& dout, const attended& whole) const;
  /// As qkv::attention_run::second_order, of every formula.
  attention_second_gradients second_order(const tensor& dout, const attention_cotangents& cotangents) const;
  /// Every weight [B, H, T, S].
  tensor weights() const;

 private:
  problem_of<double> problem() const;
  std::shared_ptr<const formula> formula_;
  tensor q_, k_, v_;
  alignment align_;
  sequences ragged_;
};

/// What qkv::attention_forward computes, with the same parts; q, k and v of any type and strides.
template <class... Parts>
attention_run attention_forward(const tensor& q, const tensor& k, const tensor& v, const Parts&... parts) {
  auto formula = detail::formula_for(attention_variant(parts...).parts);
  const auto laid = formula->with(problem_of<double>{});
  return attention_run(formula, q, k, v, laid.align, laid.ragged);
}

/// What qkv::attention computes, with the same parts; q, k and v of any type and strides.
template <class... Parts>
tensor attention(const tensor& q, const tensor& k, const tensor& v, const Parts&... parts) {
  return oracle::attention_forward(q, k, v, parts...).out;
}

}  // namespace qkv::oracle
