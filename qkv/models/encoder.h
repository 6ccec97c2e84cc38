// The encoder of a transformer by itself: every token of a sequence looks at every other.  What the tokens are, words,
// patches of a picture or frames of a sound, matters only to the first layer.
//
// Vaswani et al. 2017, figure 1, left; Devlin et al. 2019 (BERT) for texts; Dosovitskiy et al. 2021 (ViT) for pictures;
// Gong et al. 2021 (AST) for sounds.
//
//   B sequences   N tokens of all of them   C width
#pragma once
#include <span>
#include <vector>

#include "qkv/models/encoder_config.h"
#include "qkv/nn/embedding.h"

namespace qkv {

/// One sequence: the tokens of a text, then patches of a picture, then pieces of a sound; any of them may be empty.
struct encoder_example {
  std::vector<std::int32_t> text{};
  tensor patches{};  ///< [T, patch_width] (qkv/tokens/patches.h)
  tensor frames{};   ///< [T, frame_width]
};

/// Sequences of different lengths end to end, so that no work is done for what is not there.
struct encoder_batch {
  tensor text;                ///< [.] int32, of all sequences
  tensor patches;             ///< [., patch_width]
  tensor frames;              ///< [., frame_width]
  tensor rows;                ///< [1, N] int32: where each token is found among class token, text, patches and frames
  tensor positions;           ///< [1, N] int32: its place in its own sequence, from 0
  tensor kinds;               ///< [1, N] int32: 0 text (and class token), 1 picture, 2 sound
  std::vector<long> offsets;  ///< [B + 1]: sequence b is tokens offsets[b] to offsets[b + 1]

  long sequences() const { return long(offsets.size()) - 1; }
  long tokens() const { return offsets.back(); }
};

class encoder {
 public:
  /// Products drawn with Glorot & Bengio's deviation, embeddings with 0.02.
  /// @throws shape_error where the numbers do not fit together
  encoder(const encoder_config& config, nn::initialisation& init);

  const encoder_config& config() const { return config_; }

  /// @throws shape_error for an empty sequence, one longer than the context, or what this encoder does not read
  encoder_batch join(std::span<const encoder_example> sequences) const;

  /// What each token has become: [1, N, C].
  variable operator()(const encoder_batch& batch, const nn::forward_mode& mode) const;

  /// The vector of each sequence, as config().pooling has it: [B, C] of hidden [1, N, C].
  variable pooled(const variable& hidden, const encoder_batch& batch) const;

  /// Queries, keys and values of every layer, for a batch of one sequence.   @throws shape_error for several
  std::vector<nn::attention_inputs> links(const encoder_batch& batch) const;
  /// How the heads of `layer` weigh: row i of [1, H, N, N] holds what token i looks at, and sums to one.
  /// Cost: N x N numbers, for looking at; the model itself never makes them.
  tensor attention_weights(const nn::attention_inputs& layer) const;
  /// The rule that would weigh all tokens alike, to compare with what links()[layer].parts say, for
  /// qkv/attention/statistics.h, which answers without N x N numbers.
  std::shared_ptr<const formula> even_rule() const;
  /// How the heads of every layer look, for a batch of one sequence: [H, N, N], each row summing to one.
  std::vector<tensor> looks(const encoder_batch& batch) const;

  const nn::embedding& tokens() const { return tokens_; }

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    if (!tokens_.weight.empty()) tokens_.visit(prefix + "tokens.", see);
    if (!patches_.weight.empty()) patches_.visit(prefix + "patches.", see);
    if (!frames_.weight.empty()) frames_.visit(prefix + "frames.", see);
    if (!class_token_.empty()) see(prefix + "class_token", class_token_);
    if (positions_.wants_gradient()) see(prefix + "positions.weight", positions_);
    if (!kinds_.weight.empty()) kinds_.visit(prefix + "kinds.", see);
    if (!embedding_norm_.weight.empty()) embedding_norm_.visit(prefix + "embedding_norm.", see);
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      blocks_[i].visit(prefix + "blocks." + std::to_string(i) + ".", see);
    if (!norm_.weight.empty()) norm_.visit(prefix + "norm.", see);
  }

 private:
  void check_example(const encoder_example& example) const;
  long length_of(const encoder_example& example) const;
  variable embed(const encoder_batch& batch, const nn::forward_mode& mode) const;

  encoder_config config_;
  nn::embedding tokens_;         // of texts
  nn::linear patches_, frames_;  // of pictures and sounds
  variable class_token_;         // [1, C], where the pooling asks for it
  variable positions_;           // [context, C]: learned or fixed; empty where none are added to tokens
  nn::embedding kinds_;          // [3, C], where it reads several
  nn::norm embedding_norm_;
  nn::dropout dropout_;
  std::vector<nn::block> blocks_;
  nn::norm norm_;  // empty where every block ends with a norm of its own
};

}  // namespace qkv
