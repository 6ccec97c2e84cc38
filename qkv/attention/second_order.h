// The gradient of a gradient: what a loss of attention's own gradients sends back to queries, keys, values and dout.
// Training through a step of training, penalties on gradients and Hessian-vector products need it.
#pragma once
#include "qkv/attention/engine.h"

namespace qkv {

/// How much a loss L changes with each gradient of attention, as tensors of the gradients' shapes.  One that is left
/// out (empty) counts as zeros.
struct attention_cotangents {
  tensor dq{};  ///< [B, T, H, D]
  tensor dk{};  ///< [B, S, G, D]
  tensor dv{};  ///< [B, S, G, E]
};

/// Gradients of L = <dq, cotangents.dq> + <dk, cotangents.dk> + <dv, cotangents.dv>, where dq, dk and dv are what the
/// backward pass returns for dout.
struct attention_second_gradients : attention_gradients {
  tensor ddout;  ///< [B, T, H, E]
};

/// The cotangents in memory; one whose pointer is null counts as zeros.
struct cotangent_views {
  view<const float, 4> dq, dk, dv;
};
struct second_gradient_views {
  view<float, 4> dq, dk, dv, ddout;
};

/// Gradients of L (above) into given memory, which is overwritten.
///
///   out [B, T, H, E], lse [B, T, H]: the forward pass's     dout [B, T, H, E]
///   cotangents and results: dq [B, T, H, D]   dk [B, S, G, D]   dv [B, S, G, E]   ddout [B, T, H, E]
///
/// float32; any strides with a last one of 1; results overlap neither each other nor what is read.
/// Softmax of scaled dot products under any mask, in any layout.  A query without a link gives 0.
/// Throws shape_error; unsupported_error by name for scores, another similarity or weighting, a sink or dropout, which
/// oracle::second_order differentiates.
/// Cost: 26 D + 18 E operations a live link (three walks); memory O((T + S) (D + E)) in the workspace, never T x S.
/// Source: the chain rule through Dao et al. 2022, algorithm 4; Pearlmutter 1994, "Fast exact multiplication by the
/// Hessian", for what it is a product with.
void attention_second_order_into(const formula&, const problem&, view<const float, 4> out, view<const float, 3> lse,
                                 view<const float, 4> dout, const cotangent_views&, const second_gradient_views&,
                                 workspace&);

}  // namespace qkv
