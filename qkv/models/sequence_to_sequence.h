// sequence_to_sequence: what a model that turns one text into another offers, whatever it is inside.
//
// Training calls loss(); translation calls start() and then, for each new token of every hypothesis, next().
#pragma once
#include <memory>

#include "qkv/nn/module.h"
#include "qkv/nn/packed_tokens.h"

namespace qkv {

/// A text and its translation, for B pairs at once.  `targets` is what the decoder should say: the translation, then
/// the token that ends it.  What it hears is the same, one token later, behind the token that begins it.
struct text_pairs {
  packed_tokens source;
  packed_tokens heard;  ///< begin, y1, ..., yn
  tensor targets;       ///< [1, M] int32: y1, ..., yn, end
};

/// Translations under way: R hypotheses for B sources, each of its own number (beam search) or one (greedy).
class translation_state {
 public:
  virtual ~translation_state() = default;

  /// Hears one token of each hypothesis.   @returns what comes next [R, V], before softmax
  virtual tensor next(std::span<const std::int32_t> tokens) = 0;
  /// Goes on with hypotheses `rows`, in that order; they may repeat.
  /// @param sources  which source each of them translates, in rising order
  virtual void choose(std::span<const long> rows, std::span<const long> sources) = 0;
};

class sequence_to_sequence {
 public:
  virtual ~sequence_to_sequence() = default;

  /// What kind of model it is, as checkpoints name it: "encoder-decoder", "recurrent translator".
  virtual const char* kind() const = 0;
  /// Its configuration as JSON.
  virtual std::string configuration() const = 0;
  /// One line for people: its sizes.
  virtual std::string in_words() const = 0;
  virtual long source_vocabulary() const = 0;
  virtual long target_vocabulary() const = 0;
  virtual std::vector<nn::named_parameter> parameters() const = 0;
  /// Mean cross-entropy of the targets, in nats.
  /// @param smoothing  share of a target's probability that is spread over the vocabulary
  virtual variable loss(const text_pairs& pairs, double smoothing, const nn::forward_mode& mode) const = 0;
  /// Reads the sources; one hypothesis for each, which has heard nothing yet.
  /// @param longest  tokens that next() will be called for, at most
  virtual std::unique_ptr<translation_state> start(const packed_tokens& sources, long longest) const = 0;
  /// Tokens that a text or its translation may have at most.
  virtual long context() const = 0;
  /// How the heads of each layer look at the source while a translation is said: for each layer [H, T, S], every row
  /// summing to one.  Nothing for a model that does not look.   @param pair  a single one
  virtual std::vector<tensor> alignments(const text_pairs& pair) const = 0;
};

}  // namespace qkv
