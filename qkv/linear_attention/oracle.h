// The oracle of linear attention: its recurrences as they are written in the papers, in double precision, one token at
// a time in plain loops.  Read it first; the chunks compute the same faster and are tested against it.
//
// Letters as in linear_attention.h.  Cost: D E operations a token and head, many times over; memory O(T D E).
#pragma once
#include "qkv/linear_attention/linear_attention.h"

namespace qkv::oracle {

/// A finished forward pass of the oracle; as qkv::linear_attention_run, in float64.
class linear_attention_run {
 public:
  linear_attention_run(const tensor& q, const tensor& k, const tensor& v, const linear_attention_options& options);
  tensor out, state;

  /// Gradients of sum(out * dout) + sum(state * dstate); dout and dstate of any type.  Throws shape_error.
  linear_attention_gradients backward(const tensor& dout, const tensor& dstate = {}) const;

 private:
  friend struct linear_attention_head;
  linear_attention_options options_;
  tensor q_, k_, v_;
  tensor states_;  ///< [B, G, S + 1, D, E], the initial state first
};

/// What qkv::linear_attention_forward computes; tensors of any type and strides.
inline linear_attention_run linear_attention_forward(const tensor& q, const tensor& k, const tensor& v,
                                                     const linear_attention_options& options = {}) {
  return linear_attention_run(q, k, v, options);
}

/// What qkv::linear_attention computes; tensors of any type and strides.
inline tensor linear_attention(const tensor& q, const tensor& k, const tensor& v,
                               const linear_attention_options& options = {}) {
  return linear_attention_run(q, k, v, options).out;
}

}  // namespace qkv::oracle
