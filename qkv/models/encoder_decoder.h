// The transformer of the paper: an encoder reads a text, a decoder writes its translation and looks at what was read.
// Source: Vaswani et al. 2017, figure 1.
//
//   B pairs   N source tokens in all   M target tokens in all   V target vocabulary   C width
#pragma once
#include "qkv/models/encoder_decoder_config.h"
#include "qkv/models/sequence_to_sequence.h"
#include "qkv/nn/cross_block.h"
#include "qkv/nn/embedding.h"

namespace qkv {

class encoder_decoder : public sequence_to_sequence {
 public:
  /// Weights drawn with Glorot & Bengio's deviation, embeddings with 1 / sqrt(C).
  /// @throws shape_error where the numbers do not fit together
  encoder_decoder(const encoder_decoder_config& config, std::uint64_t seed);
  /// Weights of zero, about to be loaded.
  explicit encoder_decoder(const encoder_decoder_config& config);

  const encoder_decoder_config& config() const { return config_; }

  const char* kind() const override { return "encoder-decoder"; }
  std::string configuration() const override { return to_json(config_); }
  std::string in_words() const override;
  long source_vocabulary() const override { return config_.source_vocabulary; }
  long target_vocabulary() const override { return config_.target_vocabulary; }
  std::vector<nn::named_parameter> parameters() const override { return nn::parameters_of(*this); }
  variable loss(const text_pairs& pairs, double smoothing, const nn::forward_mode& mode) const override;
  std::unique_ptr<translation_state> start(const packed_tokens& sources, long longest) const override;
  long context() const override { return config_.context; }
  std::vector<tensor> alignments(const text_pairs& pair) const override;

  /// What the encoder makes of its texts: [1, N, C].
  variable encode(const packed_tokens& source, const nn::forward_mode& mode) const;
  /// Target vectors before the last product: [1, M, C].
  variable decode(const packed_tokens& heard, const variable& memory, const packed_tokens& source,
                  const nn::forward_mode& mode) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    if (!config_.shared_vocabulary) source_tokens_.visit(prefix + "source_tokens.", see);
    target_tokens_.visit(prefix + "target_tokens.", see);
    if (positions_.wants_gradient()) see(prefix + "positions.weight", positions_);
    for (std::size_t i = 0; i < encoder_.size(); ++i)
      encoder_[i].visit(prefix + "encoder." + std::to_string(i) + ".", see);
    for (std::size_t i = 0; i < decoder_.size(); ++i)
      decoder_[i].visit(prefix + "decoder." + std::to_string(i) + ".", see);
    if (config_.norms == nn::norm_place::before) {
      encoder_norm_.visit(prefix + "encoder_norm.", see);
      decoder_norm_.visit(prefix + "decoder_norm.", see);
    }
    if (!config_.tied_head) see(prefix + "head.weight", head_);
  }

 private:
  friend class encoder_decoder_state;

  encoder_decoder(const encoder_decoder_config& config, nn::initialisation init);
  variable embed(const nn::embedding& tokens, const tensor& ids, const tensor& positions,
                 const nn::forward_mode& mode) const;
  const nn::embedding& source_tokens() const { return config_.shared_vocabulary ? target_tokens_ : source_tokens_; }
  const variable& head() const { return config_.tied_head ? target_tokens_.weight : head_; }
  variable last_norm(const nn::norm& norm, const variable& x) const {
    return config_.norms == nn::norm_place::before ? norm(x) : x;
  }
  void check_length(const char* which, long length) const;

  encoder_decoder_config config_;
  nn::embedding source_tokens_, target_tokens_;
  variable positions_;  // [context, C]: learned or fixed, for both sides; empty for none
  nn::dropout embedding_dropout_[2];
  std::vector<nn::block> encoder_;
  std::vector<nn::cross_block> decoder_;
  nn::norm encoder_norm_, decoder_norm_;  // where the norms stand before
  variable head_;                         // [V, C], where it is not the embedding
};

}  // namespace qkv
