// The gated recurrent unit.  Source: Cho et al. 2014, arXiv:1406.1078.
#pragma once
#include "qkv/ops/recurrent.h"

namespace qkv {

/// W, b of the input's weights, V, c of the state's; the three gates stand in the order r, z, n:
///
///     r = sigmoid(W_r x + b_r + V_r h + c_r)             how much of the state the new gate sees
///     z = sigmoid(W_z x + b_z + V_z h + c_z)             how much of the state stays
///     n = tanh(W_n x + b_n + r * (V_n h + c_n))
///     h' = (1 - z) * n + z * h
///
/// The reset gate multiplies after the product, as in PyTorch and cuDNN; the paper has it before.
/// Shapes, errors and cost: recurrent_forward.
inline recurrent_run gru_forward(const tensor& x, std::span<const long> offsets, const recurrent_weights& weights,
                                 const recurrent_options& options = {}) {
  return recurrent_forward(recurrent_cell::gru, x, offsets, weights, options);
}
/// One token of every sequence: x [B, C], state [B, U] to the state after it.
inline tensor gru_step(const tensor& x, const tensor& state, const recurrent_weights& weights) {
  return recurrent_step(recurrent_cell::gru, x, {state}, weights).state;
}

}  // namespace qkv
