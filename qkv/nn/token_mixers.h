// Ways for tokens to learn of each other, other than attention.  Each maps x [B, T, C] to [B, T, C], adds a residual
// where it is given one, and reads on from a state.  Packed sequences (`own`) do not learn of each other.
// nn::token_mixer (token_mixer.h) is any of them, or attention.
//
//   B sequences   T tokens   C width   H heads   D = C / H
#pragma once
#include "qkv/autograd/mixing.h"
#include "qkv/nn/mixer_state.h"
#include "qkv/nn/multi_head_attention.h"
#include "qkv/nn/recurrent.h"

namespace qkv::nn {

/// What every mixer is made from.
struct mixer_sizes {
  long width = 0;
  long heads = 1;
  long tokens = 0;  ///< the longest sequence; MLP mixing has a weight for each pair of places
  long taps = 4;    ///< tokens that a convolution sees, its own included
  bool causal = true;
  bool biases = false;
  double out_deviation = 0.02;  ///< of the last product's weights
};

/// Every token takes the plain mean of all that it sees: attention with weights that ask nothing, the engine's
/// weighting `uniform`.  The baseline that every other mixer has to beat.
struct uniform_mixer {
  linear value, out;
  long heads = 1;
  attention_parts parts;

  uniform_mixer() = default;
  /// @param mask  which tokens a token sees, as attention takes it: causal, causal & sliding_window(8), everything
  template <class Mask>
  uniform_mixer(const mixer_sizes& sizes, initialisation& init, const Mask& mask)
      : uniform_mixer(sizes, init, make_attention_parts(mask, uniform)) {}
  uniform_mixer(const mixer_sizes& sizes, initialisation& init, attention_parts given);

  variable operator()(const variable& x, const variable& residual = {}, const sequences& own = {}) const;
  mixer_state make_state(long sequences, long capacity) const;
  variable continued(const variable& x, mixer_state& state, const variable& residual) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    value.visit(prefix + "value.", see);
    out.visit(prefix + "out.", see);
  }
};

/// Weights between places that are learned and then fixed: two products over the tokens, one channel like another.
/// When causal, a hidden number belongs to a place and reads none after it (the masks of MADE, Germain et al. 2015).
/// A sequence of fewer tokens is as one that ends in tokens of zeros.
/// Source: Tolstikhin et al. 2021 (MLP-Mixer), arXiv:2105.01601.
struct mlp_mixer {
  static constexpr long hidden_for_each = 2;  ///< hidden numbers of a place
  linear up, down;                            ///< [2 S, S] and [S, 2 S] for sequences of at most S tokens
  tensor up_mask, down_mask;                  ///< of ones and zeros; empty when not causal

  mlp_mixer() = default;
  mlp_mixer(const mixer_sizes& sizes, initialisation& init);

  /// @throws shape_error for more than S tokens
  variable operator()(const variable& x, const variable& residual = {}, const sequences& own = {}) const;
  mixer_state make_state(long sequences, long capacity) const;
  variable continued(const variable& x, mixer_state& state, const variable& residual) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    up.visit(prefix + "up.", see);
    down.visit(prefix + "down.", see);
  }
};

/// Every channel filtered along time, then a product over the channels.
/// Source: Kaiser, Gomez & Chollet 2017, arXiv:1706.03059 (depthwise separable convolution).
struct convolution_mixer {
  variable weight, bias;  ///< [K, C]; [C], or empty
  linear out;
  convolution_reach reach = convolution_reach::past;

  convolution_mixer() = default;
  convolution_mixer(const mixer_sizes& sizes, initialisation& init);

  variable operator()(const variable& x, const variable& residual = {}, const sequences& own = {}) const;
  mixer_state make_state(long sequences, long capacity) const;
  variable continued(const variable& x, mixer_state& state, const variable& residual) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    see(prefix + "convolution.weight", weight);
    if (!bias.empty()) see(prefix + "convolution.bias", bias);
    out.visit(prefix + "out.", see);
  }
};

/// A Fourier transform and nothing to learn (qkv/ops/fourier_mixing.h).  Every token sees those after it too, so there
/// is no causal form and no reading on.   Source: Lee-Thorp et al. 2021 (FNet), arXiv:2105.03824.
struct fourier_mixer {
  fourier_mixer() = default;
  /// @throws shape_error for causal sizes
  explicit fourier_mixer(const mixer_sizes& sizes);

  variable operator()(const variable& x, const variable& residual = {}, const sequences& own = {}) const;
  mixer_state make_state(long sequences, long capacity) const;
  /// @throws shape_error
  variable continued(const variable& x, mixer_state& state, const variable& residual) const;

  template <class F>
  void visit(const std::string&, F&&) const {}
};

/// Attention without softmax: a state of D x D numbers a head that every token writes to and reads from, divided by
/// the sum of its weights (qkv/linear_attention).   Source: Katharopoulos et al. 2020, arXiv:2006.16236.
struct linear_attention_mixer {
  joint_heads heads;
  linear joint, out;
  bool causal = true;

  linear_attention_mixer() = default;
  linear_attention_mixer(const mixer_sizes& sizes, initialisation& init);

  variable operator()(const variable& x, const variable& residual = {}, const sequences& own = {}) const;
  mixer_state make_state(long sequences, long capacity) const;
  variable continued(const variable& x, mixer_state& state, const variable& residual) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    joint.visit(prefix + "joint.", see);
    out.visit(prefix + "out.", see);
  }
};

/// One token after the other: a GRU of C units; when not causal, one of C / 2 units from each end.
/// Source: Cho et al. 2014, arXiv:1406.1078.
struct gru_mixer {
  nn::recurrent recurrent;
  linear out;

  gru_mixer() = default;
  gru_mixer(const mixer_sizes& sizes, initialisation& init);

  variable operator()(const variable& x, const variable& residual = {}, const sequences& own = {}) const;
  mixer_state make_state(long sequences, long capacity) const;
  variable continued(const variable& x, mixer_state& state, const variable& residual) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    recurrent.visit(prefix + "recurrent.", see);
    out.visit(prefix + "out.", see);
  }
};

}  // namespace qkv::nn
