// Whole words as continuations of a text, whatever tokens a model writes: characters, bytes or pieces.
#pragma once
#include <string>
#include <vector>

#include "apps/cli/model_file.h"

namespace qkv::cli {

struct word_continuation {
  std::string text;        ///< what is added: "s", " heart"
  double probability = 0;  ///< of these characters, and of a word's end behind them
};

/// The likeliest ways to go on up to the next space or mark, by beam search over tokens; the likeliest first.  Ways
/// that spell the same count together.
/// @param beam  beginnings of words followed at a time: what is likelier than the least of them is found
std::vector<word_continuation> word_continuations(const language_model& m, const std::vector<std::int32_t>& prompt,
                                                  long beam = 32);

}  // namespace qkv::cli
