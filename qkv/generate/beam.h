// Beam search over the hypotheses of many texts at once: the bookkeeping, without any model.
#pragma once
#include "qkv/generate/translate.h"

namespace qkv {

/// The hypotheses of B texts, up to `options.beam` each.  After each round of next tokens those that are best go on;
/// a text is done when no hypothesis that lives can still beat the best that ended.
class beam {
 public:
  /// @param longest  tokens of each text's translation, its end included
  beam(std::vector<long> longest, const translation_options& options);

  bool done() const { return live_.empty(); }
  /// What each live hypothesis said last, and which text it translates.
  std::vector<std::int32_t> last_tokens() const;
  std::vector<long> texts() const;

  /// Takes what may come next to each live hypothesis, [R, V] before softmax.
  /// @returns for each hypothesis that goes on, the row of the one that it continues
  std::vector<long> advance(const tensor& logits);

  /// The best of each text.
  std::vector<translation> best() const { return best_; }

 private:
  struct hypothesis {
    long text;
    std::vector<std::int32_t> tokens;
    double log_probability;
  };
  struct step {
    long row;
    std::int32_t token;
    double log_probability;
  };
  std::vector<step> candidates(const tensor& logits, long first, long count) const;
  double score(double log_probability, long length) const;
  void end(const hypothesis& h, double log_probability, bool ended);
  bool can_still_win(long text, double log_probability) const;

  translation_options options_;
  std::vector<long> longest_;
  std::vector<hypothesis> live_;  // those of one text side by side, the likeliest first
  std::vector<translation> best_;
};

}  // namespace qkv
