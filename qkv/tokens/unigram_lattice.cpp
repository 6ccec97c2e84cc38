#include "qkv/tokens/unigram_lattice.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qkv::tokens {
namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();

piece_trie trie_of(const std::vector<scored_piece>& pieces) {
  std::vector<std::pair<std::string_view, std::int32_t>> texts;
  for (std::size_t i = 0; i < pieces.size(); ++i) texts.emplace_back(pieces[i].text, std::int32_t(i));
  return piece_trie(std::move(texts));
}

/// log(exp(a) + exp(b)).
double log_of_sum(double a, double b) {
  const double greater = std::max(a, b), less = std::min(a, b);
  return less == nothing ? greater : greater + std::log1p(std::exp(less - greater));
}

}  // namespace

unigram_lattice::unigram_lattice(const std::vector<scored_piece>& pieces) : pieces_(pieces), trie_(trie_of(pieces)) {}

void unigram_lattice::find_edges(std::string_view word) {
  edges_.clear();
  for (std::size_t begin = 0; begin < word.size(); ++begin) {  // nothing starts inside a character
    trie_.each_prefix(word.substr(begin), [&](std::int32_t piece, std::size_t length) {
      edges_.push_back({std::uint32_t(begin), std::uint32_t(begin + length), piece});
    });
  }
}

double unigram_lattice::add_expected(std::string_view word, double count, std::vector<double>& expected) {
  find_edges(word);
  forward_.assign(word.size() + 1, nothing);
  backward_.assign(word.size() + 1, nothing);
  forward_.front() = backward_.back() = 0;
  const auto score = [&](const edge& e) { return pieces_[std::size_t(e.piece)].score; };
  for (const edge& e : edges_) forward_[e.end] = log_of_sum(forward_[e.end], forward_[e.begin] + score(e));
  for (auto e = edges_.rbegin(); e != edges_.rend(); ++e)
    backward_[e->begin] = log_of_sum(backward_[e->begin], backward_[e->end] + score(*e));
  const double whole = forward_.back();
  if (whole == nothing) return 0;
  for (const edge& e : edges_) {
    const double probability = std::exp(forward_[e.begin] + score(e) + backward_[e.end] - whole);
    expected[std::size_t(e.piece)] += count * probability;
  }
  return count * whole;
}

const std::vector<std::int32_t>& unigram_lattice::best(std::string_view word, std::int32_t left_out) {
  find_edges(word);
  forward_.assign(word.size() + 1, nothing);
  forward_.front() = 0;
  last_.assign(word.size() + 1, -1);
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    const edge& e = edges_[i];
    const double score = forward_[e.begin] + pieces_[std::size_t(e.piece)].score;
    if (e.piece == left_out || score <= forward_[e.end]) continue;
    forward_[e.end] = score;
    last_[e.end] = std::int32_t(i);
  }
  way_.clear();
  best_score_ = forward_.back();
  if (best_score_ == nothing) return way_;
  for (std::size_t end = word.size(); end > 0;) {
    const edge& e = edges_[std::size_t(last_[end])];
    way_.push_back(e.piece);
    end = e.begin;
  }
  std::ranges::reverse(way_);
  return way_;
}

}  // namespace qkv::tokens
