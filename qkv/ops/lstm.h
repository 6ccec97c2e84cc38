// Long short-term memory.  Source: Hochreiter & Schmidhuber 1997; the forget gate: Gers, Schmidhuber & Cummins 2000.
#pragma once
#include "qkv/ops/recurrent.h"

namespace qkv {

/// W, b of the input's weights, V, a of the state's; the four gates stand in the order i, f, g, o:
///
///     i, f, o = sigmoid(W x + b + V h + a)      what is written, what stays, what is shown
///     g = tanh(W_g x + b_g + V_g h + a_g)
///     c' = f * c + i * g
///     h' = o * tanh(c')
///
/// Shapes, errors and cost: recurrent_forward.
inline recurrent_run lstm_forward(const tensor& x, std::span<const long> offsets, const recurrent_weights& weights,
                                  const recurrent_options& options = {}) {
  return recurrent_forward(recurrent_cell::lstm, x, offsets, weights, options);
}
/// One token of every sequence: x [B, C] and what is known before to what is known after it.
inline recurrent_state lstm_step(const tensor& x, const recurrent_state& before, const recurrent_weights& weights) {
  return recurrent_step(recurrent_cell::lstm, x, before, weights);
}

}  // namespace qkv
