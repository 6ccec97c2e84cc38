// Recurrent cells over packed sequences: the plain cell, GRU and LSTM, forward and through time.
//
//     const recurrent_weights w{w_input, w_hidden, input_bias, hidden_bias};
//     const auto run = gru_forward(x, offsets, w);          // run.states [N, U], run.last [B, U]
//     run.backward_into({.dx = dx, .dinput = dw_input, ...}, dstates);
//     state = gru_step(x_now, state, w);                    // one token of every sequence
//
//   N tokens of all sequences   B sequences   C input width   U units   G gates: plain 1, GRU 3, LSTM 4
//
// The input's products for all steps are one product; a step multiplies the states of the sequences that still run
// and works the gates while they are in L1.  Source of the derivative: Werbos 1990, backpropagation through time.
#pragma once
#include <memory>
#include <span>

#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

enum class recurrent_cell { rnn, gru, lstm };

/// "rnn", "gru", "lstm".
const char* name_of(recurrent_cell cell);
/// 1, 3, 4.
long gates_of(recurrent_cell cell);

/// Weights as PyTorch's nn.RNN, GRU and LSTM hold them, with the same order of gates: GRU's reset, update, new;
/// LSTM's input, forget, candidate, output.
struct recurrent_weights {
  tensor input;          ///< [G U, C]
  tensor hidden;         ///< [G U, U]
  tensor input_bias{};   ///< [G U], or empty
  tensor hidden_bias{};  ///< [G U], or empty
};

/// What a cell knows of the tokens that it has read.
struct recurrent_state {
  tensor state{};  ///< [B, U]; empty: zeros
  tensor cell{};   ///< [B, U], of LSTM; empty: zeros
};

struct recurrent_options {
  bool reversed = false;    ///< every sequence is read from its last token to its first
  recurrent_state start{};  ///< before the first token
};

/// Memory for gradients; empty ones are left out.  Those of weights and biases are added to what is there, the others
/// replace it, dx as write_dx says.  They lie apart from each other and from all that is read.
struct recurrent_gradients {
  tensor dx{};                           ///< [N, C]
  tensor dinput{}, dhidden{};            ///< as the weights
  tensor dinput_bias{}, dhidden_bias{};  ///< [G U]
  tensor dstate{}, dcell{};              ///< of the start, [B, U]
  writing write_dx = writing::replace;
};

namespace detail {
struct recurrent_memory;
}

/// A finished forward pass and what its backward pass needs.  Shares storage with its inputs: leave them as they are.
class recurrent_run {
 public:
  tensor states;     ///< [N, U]: the state after each token, in the order of x
  tensor last;       ///< [B, U]: after the last token read; the start where a sequence has none
  tensor last_cell;  ///< [B, U], of LSTM

  /// Gradients of sum(states * dstates) + sum(last * dlast) + sum(last_cell * dlast_cell); empty ones count as zeros.
  /// @throws shape_error   Cost: twice the forward pass; memory: (G + 1) N U and that of the products.
  void backward_into(const recurrent_gradients& into, const tensor& dstates, const tensor& dlast = {},
                     const tensor& dlast_cell = {}) const;

 private:
  friend recurrent_run recurrent_forward(recurrent_cell, const tensor&, std::span<const long>, const recurrent_weights&,
                                         const recurrent_options&);
  std::shared_ptr<const detail::recurrent_memory> memory_;
};

/// Any cell over packed sequences.
///
/// @param x  [N, C] float32   @param offsets  [B+1]: sequence b is rows offsets[b] .. offsets[b+1] - 1; may be empty
/// @throws shape_error "gru: expected hidden [3 U, U] with U 8; found [24, 9]"
/// Cost: 2 N G U (C + U) flops; memory: G N U for the gates, N U for what a cell keeps.
recurrent_run recurrent_forward(recurrent_cell cell, const tensor& x, std::span<const long> offsets,
                                const recurrent_weights& weights, const recurrent_options& options = {});

/// One token of every sequence, x [B, C]: for decoding.  Equal to a step of recurrent_forward within rounding.
recurrent_state recurrent_step(recurrent_cell cell, const tensor& x, const recurrent_state& before,
                               const recurrent_weights& weights);

/// The plain cell: h' = tanh(W x + b + V h + c).  Source: Elman 1990.
inline recurrent_run rnn_forward(const tensor& x, std::span<const long> offsets, const recurrent_weights& weights,
                                 const recurrent_options& options = {}) {
  return recurrent_forward(recurrent_cell::rnn, x, offsets, weights, options);
}
inline tensor rnn_step(const tensor& x, const tensor& state, const recurrent_weights& weights) {
  return recurrent_step(recurrent_cell::rnn, x, {state}, weights).state;
}

}  // namespace qkv
