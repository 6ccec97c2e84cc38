// A decoder-only language model: what stands before decides what comes next.
//
// Radford et al. 2019 (GPT-2), after Vaswani et al. 2017; with other options of decoder_config the shape of LLaMA
// (Touvron et al. 2023: RMS norm, SwiGLU, rotary positions, grouped key heads).
//
//   B sequences   T tokens   V vocabulary   C width   H heads   G key heads   D width of a head
#pragma once
#include <vector>

#include "qkv/models/decoder_config.h"
#include "qkv/nn/block.h"
#include "qkv/nn/embedding.h"

namespace qkv {

/// What a decoder remembers of the tokens it has read: one state a layer.
struct decoder_cache {
  std::vector<nn::mixer_state> layers;
  long length() const { return layers.empty() ? 0 : layers[0].length(); }
  long capacity() const { return layers.empty() ? 0 : layers[0].capacity(); }
  /// Forgets all but the first tokens.   @throws shape_error for a part of them where a mixer's state is recurrent
  void shorten(long length) {
    for (auto& layer : layers) layer.shorten(length);
  }
};

class decoder {
 public:
  /// Weights drawn as GPT-2's: deviation 0.02, the products that end a branch divided by sqrt(2 layers).
  /// @throws shape_error where the numbers do not fit together
  decoder(const decoder_config& config, std::uint64_t seed);
  /// Weights of zero, about to be loaded.
  explicit decoder(const decoder_config& config);

  const decoder_config& config() const { return config_; }

  /// Mean cross-entropy of predicting targets, in nats; a scalar.
  /// @param tokens, targets  [B, T] int32; a target of ignored_target is left out of the mean
  /// @throws shape_error for a token outside the vocabulary or more tokens than the context
  variable loss(const tensor& tokens, const tensor& targets, const nn::forward_mode& mode = {}) const;

  /// What comes next after every token of [B, T].  @returns [B, T, V], before softmax
  tensor logits(const tensor& tokens) const;

  /// What comes next after the last of `tokens` [B, T], which follow those in the cache; the cache grows by T.
  /// Equal to the last row of logits() of all of them within rounding.   @returns [B, V]
  tensor next_logits(const tensor& tokens, decoder_cache& cache) const;
  decoder_cache make_cache(long sequences) const;

  /// Queries, keys and values of every layer for `tokens` [B, T].   @throws shape_error where layers have no attention
  std::vector<nn::attention_inputs> links(const tensor& tokens) const;
  /// How the heads of `layer` weigh: row i of [B, H, T, T] holds what token i looks at, and sums to one.
  /// Cost: T x T numbers, for looking at; the model itself never makes them.
  tensor attention_weights(const nn::attention_inputs& layer) const;
  /// The rule that would weigh all that a token sees alike, to compare with what links()[layer].parts say, for
  /// qkv/attention/statistics.h, which answers without T x T numbers.
  std::shared_ptr<const formula> even_rule() const;

  /// Names as in PyTorch: tokens.weight, positions.weight, blocks.0.norm1.weight, blocks.0.attention.joint.weight, ...
  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    tokens_.visit(prefix + "tokens.", see);
    if (positions_.wants_gradient()) see(prefix + "positions.weight", positions_);
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      blocks_[i].visit(prefix + "blocks." + std::to_string(i) + ".", see);
    if (!norm_.weight.empty()) norm_.visit(prefix + "norm.", see);
    if (!config_.tied_head) see(prefix + "head.weight", head_);
  }

 private:
  decoder(const decoder_config& config, nn::initialisation init);
  /// Vectors of tokens [B, T] that start at position `first`: [B, T, C].
  variable embed(const tensor& tokens, long first, const nn::forward_mode& mode) const;
  /// All blocks and the last norm: [B, T, C].
  variable hidden(const tensor& tokens, const nn::forward_mode& mode) const;
  variable last_norm(const variable& x) const { return norm_.weight.empty() ? x : norm_(x); }
  const variable& head() const { return config_.tied_head ? tokens_.weight : head_; }

  decoder_config config_;
  nn::embedding tokens_;
  variable positions_;  // [context, C]: learned or fixed; empty where none are added to tokens
  nn::dropout embedding_dropout_;
  std::vector<nn::block> blocks_;
  nn::norm norm_;  // empty where every block ends with a norm of its own
  variable head_;  // [V, C], where it is not the embedding
};

}  // namespace qkv
