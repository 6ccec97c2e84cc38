// Which words of a text each word of its translation was made from: the weights of cross-attention, by words.
#pragma once
#include <nlohmann/json.hpp>

#include "apps/cli/attention_map.h"
#include "qkv/train/translator.h"

namespace qkv::cli {

/// All heads of all layers.  The parts of a word count together: those of a source word by their sum, those of a
/// target word by their mean, so that every row still sums to one.  The last word of both sides ends the text.
attention_map cross_attention_map(const translator& t, const std::string& text,
                                  const std::vector<std::int32_t>& translation);

/// A word of a translation and what it looked at most, mean over the heads of the layer that looks most sharply.
struct aligned_word {
  std::string target, source;
  double weight = 0;
};
std::vector<aligned_word> aligned_words(const attention_map& map);

std::string alignment_table(const std::vector<aligned_word>& words, look how);
nlohmann::ordered_json alignment_json(const std::vector<aligned_word>& words);

}  // namespace qkv::cli
