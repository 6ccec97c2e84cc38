// Translating: a model says a text in other words, the likeliest that beam search finds.
#pragma once
#include <functional>

#include "qkv/models/sequence_to_sequence.h"

namespace qkv {

struct translation_options {
  long beam = 1;                    ///< hypotheses that are followed at a time; 1: greedy
  double length_penalty = 1;        ///< hypotheses compare by log-probability / length^penalty; 0: by log-probability
  long longest = 0;                 ///< tokens of a translation, its end included; 0: 2 * source tokens + 10, as far as the model goes
  long batch = 64;                  ///< texts at a time
  std::int32_t begin = 0, end = 0;  ///< the tokens between which a translation stands
};

struct translation {
  std::vector<std::int32_t> tokens;  ///< without begin and end
  double log_probability = 0;        ///< of the tokens and the end, in nats
  double score = 0;                  ///< log_probability / length^penalty
  bool ended = true;                 ///< false: cut off at the longest length
};

/// @throws shape_error that says which option makes no sense
void check(const translation_options&);

/// The best translation of each source, in order.  Texts of like lengths are worked on together; the outcome does not
/// depend on which beyond rounding.   @param on_done  is told how many are translated; may be empty
/// Source: Graves 2012, section 2.5 (beam search); Wu et al. 2016, eq. 14 (length normalisation).
std::vector<translation> translate(const sequence_to_sequence& model,
                                   std::span<const std::vector<std::int32_t>> sources,
                                   const translation_options& options, const std::function<void(long)>& on_done = {});

}  // namespace qkv
