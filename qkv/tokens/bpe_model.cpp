#include "qkv/tokens/bpe_model.h"

#include <algorithm>
#include <queue>

#include "qkv/base/error.h"
#include "qkv/tokens/byte_characters.h"
#include "qkv/tokens/unicode.h"

namespace qkv::tokens {
namespace {

/// The tokens of a part while they are merged: a list linked both ways, in place of the first of each merged group.
class merging {
 public:
  merging(std::vector<found_token>& tokens, std::size_t first, const pair_table& ranks,
          const std::vector<merge>& merges)
      : tokens_(tokens), first_(first), ranks_(ranks), merges_(merges) {
    const auto count = std::int32_t(tokens.size() - first);
    links_.reserve(std::size_t(count));
    for (std::int32_t i = 0; i < count; ++i) links_.push_back({i - 1, i + 1 < count ? i + 1 : -1});
    for (std::int32_t i = 0; i + 1 < count; ++i) offer(i);
  }

  void run() {
    while (!offers_.empty()) {
      const offer_at best = offers_.top();
      offers_.pop();
      if (still_holds(best)) apply(best);
    }
    const auto merged = [](const found_token& token) { return token.id < 0; };
    tokens_.erase(std::remove_if(tokens_.begin() + std::ptrdiff_t(first_), tokens_.end(), merged), tokens_.end());
  }

 private:
  struct link {
    std::int32_t before, after;  // -1: none
  };
  struct offer_at {
    std::int32_t rank, place;
    bool operator>(const offer_at& other) const { return rank != other.rank ? rank > other.rank : place > other.place; }
  };

  found_token& token(std::int32_t place) { return tokens_[first_ + std::size_t(place)]; }
  link& at(std::int32_t place) { return links_[std::size_t(place)]; }

  /// The rank of the merge of the token at `place` with the one behind it; -1 if they do not merge.
  std::int32_t rank_at(std::int32_t place) { return ranks_.find(pair_of(token(place).id, token(at(place).after).id)); }

  void offer(std::int32_t place) {
    if (const std::int32_t rank = rank_at(place); rank >= 0) offers_.push({rank, place});
  }

  bool still_holds(const offer_at& o) {
    return token(o.place).id >= 0 && at(o.place).after >= 0 && rank_at(o.place) == o.rank;
  }

  void apply(const offer_at& o) {
    found_token& left = token(o.place);
    const std::int32_t gone = at(o.place).after;
    left.id = merges_[std::size_t(o.rank)].result;
    left.end = token(gone).end;
    token(gone).id = -1;
    at(o.place).after = at(gone).after;
    if (at(gone).after >= 0) at(at(gone).after).before = o.place;
    if (at(o.place).before >= 0) offer(at(o.place).before);
    if (at(o.place).after >= 0) offer(o.place);
  }

  std::vector<found_token>& tokens_;
  std::size_t first_;
  const pair_table& ranks_;
  const std::vector<merge>& merges_;
  std::vector<link> links_;
  std::priority_queue<offer_at, std::vector<offer_at>, std::greater<>> offers_;
};

std::string bytes_of(const std::string& name, const bpe_settings& settings) {
  if (settings.of_bytes) return bytes_of_characters(name).value_or(name);
  if (settings.byte_fallback)
    if (const auto byte = byte_of_name(name)) return std::string(1, char(*byte));
  return name;
}

}  // namespace

bpe_model::bpe_model(vocabulary names, std::vector<merge> merges, const bpe_settings& settings)
    : names_(std::move(names)), merges_(std::move(merges)), settings_(settings), ranks_(merges_.size()) {
  bytes_.reserve(names_.tokens().size());
  for (const std::string& name : names_.tokens()) bytes_.push_back(bytes_of(name, settings));
  for (std::size_t rank = 0; rank < merges_.size(); ++rank)
    ranks_.set(pair_of(merges_[rank].left, merges_[rank].right), std::int32_t(rank));
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string name = settings.of_bytes ? characters_of_bytes(std::string(1, char(byte)))
                                               : name_of_byte(static_cast<unsigned char>(byte));
    token_of_byte_[byte] = names_.find(name).value_or(-1);
  }
}

void bpe_model::encode(std::string_view part, std::vector<found_token>& out) const {
  if (settings_.whole_parts_first) {
    if (const auto whole = names_.find(settings_.of_bytes ? characters_of_bytes(part) : std::string(part)))
      return out.push_back({*whole, 0, std::uint32_t(part.size())});
  }
  const std::size_t first = out.size();
  start(part, out);
  if (out.size() - first > 1) merging(out, first, ranks_, merges_).run();
}

void bpe_model::start(std::string_view part, std::vector<found_token>& out) const {
  settings_.of_bytes ? start_from_bytes(part, out) : start_from_characters(part, out);
}

void bpe_model::start_from_bytes(std::string_view part, std::vector<found_token>& out) const {
  bool after_unknown = false;
  for (std::uint32_t i = 0; i < part.size(); ++i) {
    const std::int32_t id = token_of_byte_[static_cast<unsigned char>(part[i])];
    if (id >= 0)
      out.push_back({id, i, i + 1});
    else
      add_unknown(part, {-1, i, i + 1}, after_unknown, out);
    after_unknown = id < 0;
  }
}

void bpe_model::start_from_characters(std::string_view part, std::vector<found_token>& out) const {
  bool after_unknown = false;
  for (std::size_t position = 0; position < part.size();) {
    const auto begin = std::uint32_t(position);
    next_character(part, position);
    const auto end = std::uint32_t(position);
    const std::optional<std::int32_t> id = names_.find(part.substr(begin, end - begin));
    if (id) {
      out.push_back({*id, begin, end});
    } else if (settings_.byte_fallback && std::ranges::all_of(part.substr(begin, end - begin), [&](char byte) {
                 return token_of_byte_[static_cast<unsigned char>(byte)] >= 0;
               })) {
      for (std::uint32_t i = begin; i < end; ++i)
        out.push_back({token_of_byte_[static_cast<unsigned char>(part[i])], i, i + 1});
    } else {
      add_unknown(part, {-1, begin, end}, after_unknown, out);
      after_unknown = true;
      continue;
    }
    after_unknown = false;
  }
}

void bpe_model::add_unknown(std::string_view part, found_token unknown, bool after_unknown,
                            std::vector<found_token>& out) const {
  if (!settings_.unknown) {
    refuse("tokenizer::encode", "a text of what this vocabulary knows",
           "\"" + std::string(part.substr(unknown.begin, unknown.end - unknown.begin)) +
               "\"; leave it out, or take a vocabulary with a token for the unknown");
  }
  if (after_unknown && settings_.fuse_unknown) {
    out.back().end = unknown.end;
  } else {
    unknown.id = *settings_.unknown;
    out.push_back(unknown);
  }
}

}  // namespace qkv::tokens
