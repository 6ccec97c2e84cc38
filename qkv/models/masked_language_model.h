// A text with holes, and a model that fills them from both sides.  Source: Devlin et al. 2019 (BERT), section 3.1.
//
//   N tokens   M masked ones   V vocabulary   C width
#pragma once
#include "qkv/base/random.h"
#include "qkv/models/encoder.h"
#include "qkv/ops/cross_entropy.h"

namespace qkv {

/// A text made hard to read, and what was there.
struct masked_text {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;  ///< the token that was there, or ignored_target where nothing is asked
};

struct masking_options {
  std::int32_t mask = 0;        ///< the token that stands for a hole
  double share = 0.15;          ///< of tokens that are asked for
  double masked = 0.8;          ///< of those: holes
  double replaced = 0.1;        ///< of those: any token of the vocabulary; the rest stay as they are
  std::int32_t first_word = 0;  ///< tokens below are never asked for and never put in: [CLS], [SEP], ...
};

/// A pure function of (stream, index): token i of text number `index` draws by itself.
masked_text masked(std::span<const std::int32_t> tokens, long vocabulary, const masking_options& options,
                   random_stream random, std::uint64_t index);

/// How well holes were filled.
struct filled_holes {
  long asked = 0;   ///< tokens that were asked for
  long right = 0;   ///< of those: the likeliest token was the one that was there
  double loss = 0;  ///< cross-entropy in nats, summed over what was asked for
};

class masked_language_model {
 public:
  /// The vocabulary's embedding serves as the last product, with a bias, after a layer of its own (as in BERT's
  /// program).   @throws shape_error where the numbers do not fit together
  masked_language_model(const encoder_config& config, std::uint64_t seed);
  /// Weights of zero, about to be loaded.
  explicit masked_language_model(const encoder_config& config);

  const encoder_config& config() const { return encoder_.config(); }
  const encoder& body() const { return encoder_; }

  /// Mean cross-entropy over what is asked for, in nats; nothing else is predicted.
  /// @throws shape_error where texts and targets differ in length, or nothing is asked for
  variable loss(std::span<const masked_text> texts, const nn::forward_mode& mode = {}) const;

  /// The same, with how many of the answers are right.  Values only.
  filled_holes filled(std::span<const masked_text> texts) const;

  /// What could stand at each place of a text [T]: [T, V], before softmax.
  tensor logits(std::span<const std::int32_t> tokens) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    encoder_.visit(prefix, see);
    layer_.visit(prefix + "head.layer.", see);
    norm_.visit(prefix + "head.norm.", see);
    see(prefix + "head.bias", bias_);
  }

 private:
  /// The tokens that are asked for: where they stand among all tokens of the batch, and what they are.
  struct questions {
    encoder_batch batch;
    std::vector<std::int32_t> places, targets;
  };

  masked_language_model(const encoder_config& config, nn::initialisation init);
  questions questions_of(std::span<const masked_text> texts) const;
  /// [M, V] for tokens at these places of hidden [1, N, C].
  variable predictions(const variable& hidden, std::vector<std::int32_t> places) const;

  encoder encoder_;
  nn::linear layer_;
  nn::norm norm_;
  variable bias_;
};

}  // namespace qkv
