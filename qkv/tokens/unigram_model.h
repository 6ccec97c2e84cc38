// The unigram language model of pieces: of all ways to write a part of a text in pieces, the one of the greatest
// probability, the product of its pieces' probabilities.
// Source: Kudo 2018, section 3.2; the Viterbi search and the score of the unknown as in SentencePiece.
#pragma once
#include <string_view>
#include <vector>

#include "qkv/tokens/piece_trie.h"
#include "qkv/tokens/vocabulary.h"

namespace qkv::tokens {

struct unigram_settings {
  std::int32_t unknown = 0;              ///< for a run of characters that no piece has
  bool byte_fallback = false;            ///< such characters become <0x..> tokens, one a byte
  std::vector<std::int32_t> specials{};  ///< not found in a text
};

class unigram_model {
 public:
  /// @param scores  the logarithms of the pieces' probabilities
  unigram_model(vocabulary names, std::vector<double> scores, unigram_settings settings);

  /// Appends the tokens of one part, in UTF-8.  Cost: its length times the pieces that start at a place.
  void encode(std::string_view part, std::vector<found_token>& out) const;

  void append_text(std::int32_t id, std::string& text) const;

  const vocabulary& names() const { return names_; }
  const std::vector<double>& scores() const { return scores_; }
  const unigram_settings& settings() const { return settings_; }

 private:
  bool can_be_found(std::int32_t id) const;
  piece_trie make_trie() const;
  void add_unknown(std::string_view part, found_token unknown, std::vector<found_token>& out) const;

  vocabulary names_;
  std::vector<double> scores_;
  unigram_settings settings_;
  std::vector<std::int32_t> token_of_byte_;  // empty without byte_fallback
  double unknown_score_;
  piece_trie trie_;
};

}  // namespace qkv::tokens
