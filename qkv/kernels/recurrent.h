// Kernels of recurrent cells: one step of one sequence, after and before the products.
//
//   U units   G gates: 1 of the plain cell, 3 of GRU (reset, update, new), 4 of LSTM (input, forget, candidate, output)
//
// Gates of one step lie one after the other, `pitch` numbers apart.  No pointer is null unless its comment says so.
#pragma once
#include "qkv/base/instruction_set.h"

namespace qkv {

/// One step forward, `units` of it.
struct cell_step {
  float* gates;              ///< x W + biases when it begins; the gates themselves afterwards
  long pitch;                ///< of gates
  const float* sums;         ///< h W of every gate, before biases
  long sums_pitch;           ///< of sums
  const float* hidden_bias;  ///< GRU: the bias of the new gate's recurrent part; null for none
  const float* before;       ///< the state before
  const float* cell_before;  ///< LSTM: the cell before
  float* kept;               ///< GRU: h W + bias of the new gate; LSTM: the cell; plain: unused
  float *state, *next;       ///< the new state, to two places
  long units;
};

/// The same step back: from the gradient of the state to those of what the products gave.
struct cell_step_back {
  const float* outside;  ///< the gradient of the state that this step's readers sent
  float* carry;          ///< the gradient of the state from the step after; GRU leaves its direct part, dh * update
  float* cell_carry;     ///< LSTM: the gradient of the cell, from the step after to the one before
  const float *gates, *kept, *state, *before, *cell_before;  ///< of the step forward
  float* dgates;                                             ///< gradients of x W + biases
  float* dkept;                                              ///< GRU: the gradient of the new gate's recurrent part
  float* step;  ///< gradients of h W, for the product that goes to the step before
  long pitch;   ///< of gates, dgates and step
  long units;
};

struct recurrent_kernels {
  void (*rnn)(const cell_step&);
  void (*rnn_back)(const cell_step_back&);
  void (*gru)(const cell_step&);
  void (*gru_back)(const cell_step_back&);
  void (*lstm)(const cell_step&);
  void (*lstm_back)(const cell_step_back&);
};
QKV_KERNEL_TABLE(recurrent_kernels, recurrent)

}  // namespace qkv
