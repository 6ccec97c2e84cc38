#include "qkv/tokens/unigram_model.h"

#include <algorithm>

#include "qkv/base/error.h"
#include "qkv/tokens/unicode.h"

namespace qkv::tokens {
namespace {

/// How much less probable an unknown character is than any piece, in nats, as in SentencePiece.
constexpr double unknown_penalty = 10;

/// The best way to write the part up to a place.
struct best_end {
  double score = 0;
  std::int32_t id = -1;     // of its last piece; -1: no way found
  std::uint32_t begin = 0;  // of its last piece
};

void offer(best_end& at, double score, std::int32_t id, std::size_t begin) {
  if (at.id < 0 || score > at.score) at = {score, id, std::uint32_t(begin)};
}

std::vector<std::int32_t> tokens_of_bytes(const vocabulary& names) {
  std::vector<std::int32_t> tokens;
  for (int byte = 0; byte < 256; ++byte) {
    const auto id = names.find(name_of_byte(static_cast<unsigned char>(byte)));
    if (!id)
      refuse("unigram_model", "a token for every byte",
             "none of the name " + name_of_byte(static_cast<unsigned char>(byte)));
    tokens.push_back(*id);
  }
  return tokens;
}

}  // namespace

unigram_model::unigram_model(vocabulary names, std::vector<double> scores, unigram_settings settings)
    : names_(std::move(names)),
      scores_(std::move(scores)),
      settings_(std::move(settings)),
      token_of_byte_(settings_.byte_fallback ? tokens_of_bytes(names_) : std::vector<std::int32_t>{}),
      unknown_score_((scores_.empty() ? 0 : *std::ranges::min_element(scores_)) - unknown_penalty),
      trie_(make_trie()) {}

bool unigram_model::can_be_found(std::int32_t id) const {
  return !names_.token(id).empty() && id != settings_.unknown &&
         std::ranges::find(settings_.specials, id) == settings_.specials.end() &&
         std::ranges::find(token_of_byte_, id) == token_of_byte_.end();
}

piece_trie unigram_model::make_trie() const {
  std::vector<std::pair<std::string_view, std::int32_t>> pieces;
  for (std::int32_t id = 0; id < names_.size(); ++id)
    if (can_be_found(id)) pieces.emplace_back(names_.token(id), id);
  return piece_trie(std::move(pieces));
}

void unigram_model::encode(std::string_view part, std::vector<found_token>& out) const {
  std::vector<best_end> best(part.size() + 1);
  for (std::size_t begin = 0; begin < part.size();) {
    const double here = best[begin].score;
    std::size_t next = begin;
    next_character(part, next);
    bool known = false;
    trie_.each_prefix(part.substr(begin), [&](std::int32_t id, std::size_t length) {
      offer(best[begin + length], here + scores_[std::size_t(id)], id, begin);
      known = known || begin + length == next;
    });
    if (!known) offer(best[next], here + unknown_score_, settings_.unknown, begin);
    begin = next;
  }
  std::vector<found_token> backwards;
  for (std::size_t end = part.size(); end > 0; end = best[end].begin) {
    const found_token last{best[end].id, best[end].begin, std::uint32_t(end)};
    if (last.id == settings_.unknown && !backwards.empty() && backwards.back().id == last.id)
      backwards.back().begin = last.begin;
    else
      backwards.push_back(last);
  }
  for (auto token = backwards.rbegin(); token != backwards.rend(); ++token)
    token->id == settings_.unknown ? add_unknown(part, *token, out) : out.push_back(*token);
}

void unigram_model::add_unknown(std::string_view part, found_token unknown, std::vector<found_token>& out) const {
  if (!settings_.byte_fallback) return out.push_back(unknown);
  for (std::uint32_t i = unknown.begin; i < unknown.end; ++i)
    out.push_back({token_of_byte_[static_cast<unsigned char>(part[i])], i, i + 1});
}

void unigram_model::append_text(std::int32_t id, std::string& text) const {
  const std::string& name = names_.token(id);
  const auto byte = settings_.byte_fallback ? byte_of_name(name) : std::nullopt;
  if (byte)
    text += char(*byte);
  else
    text += name;
}

}  // namespace qkv::tokens
