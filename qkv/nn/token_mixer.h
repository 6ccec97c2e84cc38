// token_mixer: whatever lets the tokens of a block learn of each other, attention or one of its rivals.
#pragma once
#include <variant>

#include "qkv/nn/token_mixers.h"

namespace qkv::nn {

/// In the order of token_mixer's alternatives, and of the words in a configuration.
enum class mixer_kind { attention, uniform, mlp, convolution, fourier, linear_attention, gru };

/// "attention", "uniform", ...
const char* name_of(mixer_kind kind);
/// Whether there is a form in which no token sees those after it: all but Fourier.
constexpr bool has_causal_form(mixer_kind kind) { return kind != mixer_kind::fourier; }

/// Any mixer, by value.  It is called like the mixer that it holds:
///   x [B, T, C] to [B, T, C], plus the residual where there is one
class token_mixer {
 public:
  token_mixer() = default;
  template <class Mixer>
  requires(!std::same_as<std::remove_cvref_t<Mixer>, token_mixer>) token_mixer(Mixer mixer)
      : which_(std::move(mixer)) {}

  mixer_kind kind() const { return mixer_kind(which_.index()); }
  /// The mixer, when it is attention; else null.
  const multi_head_attention* attention() const { return std::get_if<multi_head_attention>(&which_); }

  /// @param own  how sequences lie in x, where they are ragged; padded ones only of attention and uniform blending
  variable operator()(const variable& x, const variable& residual = {}, const sequences& own = {}) const {
    return std::visit([&](const auto& mixer) { return mixer(x, residual, own); }, which_);
  }
  /// What it remembers while it reads on: of so many sequences, up to `capacity` tokens each.
  mixer_state make_state(long sequences, long capacity) const {
    return std::visit([&](const auto& mixer) { return mixer.make_state(sequences, capacity); }, which_);
  }
  /// The same for tokens that follow those that the state has read; values only.  Equal to the last rows of the whole
  /// within rounding.   @throws shape_error for a mixer that is not causal
  variable continued(const variable& x, mixer_state& state, const variable& residual) const {
    return std::visit([&](const auto& mixer) { return mixer.continued(x, state, residual); }, which_);
  }

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    std::visit([&](const auto& mixer) { mixer.visit(prefix, see); }, which_);
  }

 private:
  std::variant<multi_head_attention, uniform_mixer, mlp_mixer, convolution_mixer, fourier_mixer, linear_attention_mixer,
               gru_mixer>
      which_;
};

/// A mixer of any kind but attention, which takes options of its own.
token_mixer make_token_mixer(mixer_kind kind, const mixer_sizes& sizes, initialisation& init);

}  // namespace qkv::nn
