// Everything in one vector: a sequence squashed to the mean of its tokens' vectors, and a feed-forward network on that.
// The baseline that attention is measured against: it knows which words there are, not their order and not which belong
// together.
//
// Iyyer et al. 2015 (deep averaging networks); Joulin et al. 2017 (fastText), without a hidden layer.
//
//   B sequences   N tokens of all of them   C width   K classes
#pragma once
#include "qkv/nn/embedding.h"
#include "qkv/nn/feed_forward.h"
#include "qkv/nn/packed_tokens.h"

namespace qkv {

struct bag_of_words_config {
  long vocabulary = 0, classes = 0;
  long width = 64;
  long hidden = 0;  ///< width of the hidden layer; 0: 4 width

  long hidden_width() const { return hidden ? hidden : 4 * width; }
};

/// @throws shape_error that says which numbers do not fit together
void check(const bag_of_words_config&);

class bag_of_words {
 public:
  /// @throws shape_error where the numbers do not fit together
  bag_of_words(const bag_of_words_config& config, std::uint64_t seed);

  const bag_of_words_config& config() const { return config_; }

  /// The one vector of each sequence: [B, C].   @throws shape_error for an empty sequence
  variable squashed(const packed_tokens& tokens) const;
  /// [B, K], before softmax.
  variable logits(const packed_tokens& tokens) const;
  /// Mean cross-entropy, in nats.   @param targets  [B] int32, in 0 .. K - 1
  variable loss(const packed_tokens& tokens, const tensor& targets) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    tokens_.visit(prefix + "tokens.", see);
    feed_forward_.visit(prefix + "feed_forward.", see);
    head_.visit(prefix + "head.", see);
  }

 private:
  bag_of_words(const bag_of_words_config& config, nn::initialisation init);

  bag_of_words_config config_;
  nn::embedding tokens_;
  nn::feed_forward feed_forward_;
  nn::linear head_;
};

}  // namespace qkv
