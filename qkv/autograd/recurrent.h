// Recurrent cells over packed sequences, on the tape.
#pragma once
#include <span>
#include <vector>

#include "qkv/autograd/variable.h"
#include "qkv/ops/recurrent.h"

namespace qkv {

/// Weights as variables; shapes as in recurrent_weights, biases may be empty.
struct recurrent_variables {
  variable input, hidden, input_bias{}, hidden_bias{};
  recurrent_weights values() const { return {input.value(), hidden.value(), input_bias.value(), hidden_bias.value()}; }
};

/// What a cell starts with, and ends with: [B, U], empty for zeros; cell only of LSTM.
struct recurrent_ends {
  variable state{}, cell{};
};

struct recurrent_outcome {
  variable states;      ///< [N, U], after each token, in the order of x
  recurrent_ends last;  ///< after the last token read
};

/// Any cell over x [N, C], sequence b in rows offsets[b] .. offsets[b+1] - 1, with gradients for x, the weights and
/// the start (qkv/ops/recurrent.h; the cells' formulas: rnn_forward there, qkv/ops/gru.h, qkv/ops/lstm.h).
recurrent_outcome recurrent(recurrent_cell cell, const variable& x, std::span<const long> offsets,
                            const recurrent_variables& weights, const recurrent_ends& start = {},
                            bool reversed = false);

/// Offsets of B sequences of T tokens each: x [B, T, C] reshaped to [B T, C] is packed so.
std::vector<long> equal_offsets(long sequences, long tokens);

}  // namespace qkv
