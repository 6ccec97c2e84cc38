// Recurrent layers: stacked, in one direction or both.
//
//     nn::recurrent read({.cell = recurrent_cell::gru, .width = 64, .units = 128, .bidirectional = true}, init);
//     const auto out = read(x, offsets, mode);      // out.states [N, 256], out.last[0].state [B, 128]
#pragma once
#include <span>
#include <vector>

#include "qkv/autograd/recurrent.h"
#include "qkv/nn/dropout.h"
#include "qkv/nn/linear.h"

namespace qkv::nn {

/// One layer in one direction.   input.weight [G U, C]   hidden.weight [G U, U]   (qkv/ops/recurrent.h)
struct recurrent_layer {
  recurrent_cell cell = recurrent_cell::gru;
  bool reversed = false;
  linear input, hidden;

  recurrent_layer() = default;
  /// Weights of the deviation that PyTorch's uniform ones have, 1 / sqrt(3 U); LSTM's forget gate begins open, with a
  /// bias of 1 (Gers et al. 2000; Jozefowicz et al. 2015).
  recurrent_layer(recurrent_cell which, long width, long units, bool with_biases, bool from_the_end,
                  initialisation& init);

  long units() const { return hidden.weight.dim(1); }
  recurrent_variables weights() const { return {input.weight, hidden.weight, input.bias, hidden.bias}; }
  recurrent_outcome operator()(const variable& x, std::span<const long> offsets,
                               const recurrent_ends& start = {}) const {
    return qkv::recurrent(cell, x, offsets, weights(), start, reversed);
  }

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    input.visit(prefix + "input.", see);
    hidden.visit(prefix + "hidden.", see);
  }
};

struct recurrent_config {
  recurrent_cell cell = recurrent_cell::gru;
  long width = 0;  ///< of what is read
  long units = 0;
  long layers = 1;
  bool bidirectional = false;  ///< the second half of the units reads from the end (Schuster & Paliwal 1997)
  bool biases = true;
  double dropout = 0;  ///< between layers
};

struct recurrent_reading {
  variable states;                   ///< of the last layer, [N, U], or [N, 2 U] in both directions
  std::vector<recurrent_ends> last;  ///< of every layer; in both directions the one from the end follows the other
};

/// Layers on top of each other.   x [N, C], packed
struct recurrent {
  std::vector<recurrent_layer> layers;  ///< in the order of recurrent_reading::last
  bool bidirectional = false;
  std::vector<nn::dropout> between;

  recurrent() = default;
  /// @throws shape_error for no layers or no units
  recurrent(const recurrent_config& config, initialisation& init);

  /// Numbers in a row of the outcome.
  long outcome_width() const { return layers.back().units() * (bidirectional ? 2 : 1); }

  /// @param start  for every layer, in the order of `last`; empty: zeros
  recurrent_reading operator()(const variable& x, std::span<const long> offsets, const forward_mode& mode = {},
                               std::span<const recurrent_ends> start = {}) const;

  /// One token of every sequence, for decoding: x [B, C] to [B, U]; `states` holds one of each layer, or nothing at
  /// first, and is renewed.  Values only.   @throws shape_error for layers in both directions
  variable continued(const variable& x, std::vector<recurrent_state>& states) const;

  /// layers.0.input.weight, ...; from the end: layers.0.reversed.input.weight, ...
  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    const std::size_t directions = bidirectional ? 2 : 1;
    for (std::size_t i = 0; i < layers.size(); ++i)
      layers[i].visit(prefix + "layers." + std::to_string(i / directions) + (layers[i].reversed ? ".reversed." : "."),
                      see);
  }
};

}  // namespace qkv::nn
