// A sequence to one of several classes: what a text is about, what a picture shows, which word was said.
//
// Dosovitskiy et al. 2021 (ViT) on patches of pictures, Gong et al. 2021 (AST) on frames of sounds, Devlin et al. 2019
// (BERT) on texts; the encoder is the same.
//
//   B sequences   K classes   C width
#pragma once
#include "qkv/models/encoder.h"

namespace qkv {

class encoder_classifier {
 public:
  /// @throws shape_error where the numbers do not fit together, or config.classes < 2
  encoder_classifier(const encoder_config& config, std::uint64_t seed);
  /// Weights of zero, about to be loaded.
  explicit encoder_classifier(const encoder_config& config);

  const encoder_config& config() const { return encoder_.config(); }
  const encoder& body() const { return encoder_; }
  encoder_batch join(std::span<const encoder_example> sequences) const { return encoder_.join(sequences); }

  /// [B, K], before softmax.
  variable logits(const encoder_batch& batch, const nn::forward_mode& mode = {}) const;

  /// Mean cross-entropy, in nats.   @param targets  [B] int32, in 0 .. K - 1
  /// @param smoothing  share of a target's probability that is spread over all classes
  variable loss(const encoder_batch& batch, const tensor& targets, double smoothing = 0,
                const nn::forward_mode& mode = {}) const;

  /// [B, K], rows that sum to one.
  tensor probabilities(const encoder_batch& batch) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    encoder_.visit(prefix, see);
    head_.visit(prefix + "head.", see);
  }

 private:
  encoder_classifier(const encoder_config& config, nn::initialisation init);

  encoder encoder_;
  nn::linear head_;
};

}  // namespace qkv
