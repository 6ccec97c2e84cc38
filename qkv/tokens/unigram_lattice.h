// All ways to write a word in pieces, and what they say about the pieces.
// Source: Kudo 2018, section 3.2.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "qkv/tokens/piece_trie.h"

namespace qkv::tokens {

/// A piece and the logarithm of its probability.
struct scored_piece {
  std::string text;
  double score;
};

/// Pieces with the means to find them; the pieces must outlive it and not move.
class unigram_lattice {
 public:
  explicit unigram_lattice(const std::vector<scored_piece>& pieces);

  /// Adds to `expected` how often each piece is used, over all ways to write the word, weighted by their probability
  /// and by `count`.  Returns the logarithm of the word's probability.
  double add_expected(std::string_view word, double count, std::vector<double>& expected);

  /// The pieces of the most probable way to write the word, without the piece `left_out`; empty if there is none.
  const std::vector<std::int32_t>& best(std::string_view word, std::int32_t left_out = -1);
  /// The logarithm of that way's probability.
  double best_score() const { return best_score_; }

 private:
  struct edge {
    std::uint32_t begin, end;
    std::int32_t piece;
  };
  void find_edges(std::string_view word);

  const std::vector<scored_piece>& pieces_;
  piece_trie trie_;
  std::vector<edge> edges_;  // in the order of their begins
  std::vector<double> forward_, backward_;
  std::vector<std::int32_t> last_, way_;
  double best_score_ = 0;
};

}  // namespace qkv::tokens
