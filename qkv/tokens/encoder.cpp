#include "qkv/tokens/encoder.h"

#include <limits>

#include "qkv/base/error.h"
#include "qkv/io/utf8.h"

namespace qkv::tokens {
namespace {

bool takes_any_bytes(const tokenizer_parts& parts) {
  const auto* bpe = std::get_if<bpe_model>(&parts.model);
  return bpe && bpe->settings().of_bytes && !parts.form.lower_case;
}

void check(std::string_view text, const tokenizer_parts& parts) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max() / 4)  // a visible space has three bytes
    refuse("tokenizer::encode", "a text of at most 1 GiB", std::to_string(text.size()) + " bytes; cut it up");
  if (takes_any_bytes(parts)) return;
  if (const std::size_t valid = valid_utf8_length(text); valid < text.size())
    refuse("tokenizer::encode", "a text in UTF-8", "other bytes at byte " + std::to_string(valid));
}

}  // namespace

void encoder::encode(std::string_view text, std::vector<std::int32_t>& tokens, std::vector<byte_range>* places) {
  check(text, parts_);
  tokens_ = &tokens;
  places_ = places;
  std::size_t begin = 0;
  for (std::size_t i = 0; !parts_.added.empty() && i < text.size();) {
    const added_token* const added = added_at(text.substr(i));
    if (!added) {
      ++i;
      continue;
    }
    encode_between(text, begin, i);
    begin = i + added->name.size();
    tokens.push_back(added->id);
    if (places) places->push_back({i, begin});
    i = begin;
  }
  encode_between(text, begin, text.size());
}

/// The longest added token that the text starts with.
const added_token* encoder::added_at(std::string_view text) const {
  const added_token* longest = nullptr;
  const piece_trie& names = how_ == markers::as_text ? parts_.plain_added : parts_.every_added;
  names.each_prefix(text, [&](std::int32_t place, std::size_t) { longest = &parts_.added[std::size_t(place)]; });
  return longest;
}

void encoder::encode_between(std::string_view text, std::size_t begin, std::size_t end) {
  if (begin == end) return;
  const std::string_view source = text.substr(begin, end - begin);
  const bool same = parts_.form.changes_nothing();
  const formed_text formed = same ? formed_text{} : parts_.form.apply(source, /*at_the_start=*/begin == 0);
  const std::string_view form = same ? source : std::string_view(formed.text);
  cut(form, parts_.cuttings, cuts_, scratch_);
  for (const part& p : cuts_) {
    found_.clear();
    find_tokens(form.substr(p.begin, p.end - p.begin));
    for (const found_token& token : found_) {
      tokens_->push_back(token.id);
      if (!places_) continue;
      const std::size_t from = p.begin + token.begin, to = p.begin + token.end;
      const formed_text::source place =
          same ? formed_text::source{std::uint32_t(from), std::uint32_t(to)} : formed.source_of(from, to);
      places_->push_back({begin + place.begin, begin + place.end});
    }
  }
}

void encoder::find_tokens(std::string_view text) {
  constexpr std::size_t longest_remembered = 64, most_remembered = 1 << 18;
  const auto ask = [&](const auto& model) { model.encode(text, found_); };
  if (std::holds_alternative<word_model>(parts_.model) || text.size() > longest_remembered)
    return std::visit(ask, parts_.model);
  if (const auto place = known_.find(text); place != known_.end()) {
    const auto first = known_tokens_.begin() + std::ptrdiff_t(place->second.first);
    found_.assign(first, first + std::ptrdiff_t(place->second.count));
    return;
  }
  std::visit(ask, parts_.model);
  if (known_.size() >= most_remembered) return;
  known_.emplace(text, remembered{known_tokens_.size(), found_.size()});
  known_tokens_.insert(known_tokens_.end(), found_.begin(), found_.end());
}

}  // namespace qkv::tokens
