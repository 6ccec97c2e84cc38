#include "qkv/tokens/tokenizer.h"

#include <algorithm>

#include "qkv/base/error.h"
#include "qkv/base/threads.h"
#include "qkv/tokens/encoder.h"
#include "qkv/tokens/tokenizer_parts.h"

namespace qkv {

using namespace tokens;

namespace {

/// Added tokens that the model does not have itself.
long beyond_the_model(const tokenizer_parts& parts) {
  return std::ranges::count_if(parts.added, [&](const added_token& t) { return t.id >= names_of(parts.model).size(); });
}

const added_token* added_with_id(const tokenizer_parts& parts, std::int32_t id) {
  const auto place = std::ranges::lower_bound(parts.added, id, {}, &added_token::id);
  return place != parts.added.end() && place->id == id ? &*place : nullptr;
}

std::string with_visible_spaces_as_spaces(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = std::min(text.find(visible_space, at), text.size());
    plain += text.substr(at, next - at);
    if (next < text.size()) plain += ' ';
    at = next < text.size() ? next + visible_space.size() : next;
  }
  return plain;
}

void check_token(const char* operation, std::int32_t id, long size) {
  if (id < 0 || id >= size) refuse(operation, "tokens from 0 to " + std::to_string(size - 1), std::to_string(id));
}

}  // namespace

std::vector<added_token> tokens::first_tokens_special(const std::vector<std::string>& specials) {
  std::vector<added_token> added;
  for (const std::string& name : specials) added.push_back({name, std::int32_t(added.size()), /*special=*/true});
  return added;
}

bool tokens::has_byte_fallback(const token_model& model) {
  if (const auto* bpe = std::get_if<bpe_model>(&model)) return bpe->settings().byte_fallback;
  if (const auto* unigram = std::get_if<unigram_model>(&model)) return unigram->settings().byte_fallback;
  return false;
}

tokenizer::tokenizer(tokenizer_parts parts) {
  std::vector<std::pair<std::string_view, std::int32_t>> every, plain;
  for (std::size_t i = 0; i < parts.added.size(); ++i) {
    const added_token& token = parts.added[i];
    every.emplace_back(token.name, std::int32_t(i));
    if (token.special)
      parts.special_ids.push_back(token.id);
    else
      plain.push_back(every.back());
  }
  parts.every_added = piece_trie(std::move(every));
  parts.plain_added = piece_trie(std::move(plain));
  parts_ = std::make_shared<const tokenizer_parts>(std::move(parts));
}

std::vector<std::int32_t> tokenizer::encode(std::string_view text, markers how) const {
  std::vector<std::int32_t> tokens;
  encoder(*parts_, how).encode(text, tokens, nullptr);
  return tokens;
}

located_tokens tokenizer::locate(std::string_view text, markers how) const {
  located_tokens located;
  encoder(*parts_, how).encode(text, located.tokens, &located.places);
  return located;
}

std::vector<std::vector<std::int32_t>> tokenizer::encode_each(std::span<const std::string> texts, markers how) const {
  std::vector<std::vector<std::int32_t>> all(texts.size());
  std::vector<encoder> encoders(std::size_t(thread_count()), encoder(*parts_, how));
  constexpr std::size_t together = 64;  // texts that are handed out at once
  parallel_for(long((texts.size() + together - 1) / together), [&](long index, int thread) {
    const std::size_t first = std::size_t(index) * together;
    for (std::size_t i = first; i < std::min(first + together, texts.size()); ++i)
      encoders[std::size_t(thread)].encode(texts[i], all[i], nullptr);
  });
  return all;
}

std::string tokenizer::decode(std::span<const std::int32_t> tokens, specials what) const {
  std::string text;
  const long size = vocabulary_size();
  bool first = true;
  for (const std::int32_t id : tokens) {
    check_token("tokenizer::decode", id, size);
    const added_token* const added = added_with_id(*parts_, id);
    if (added && added->special && what == specials::left_out) continue;
    if (!first && parts_->join == joining::with_spaces) text += ' ';
    first = false;
    if (added)
      text += added->name;
    else
      std::visit([&](const auto& model) { model.append_text(id, text); }, parts_->model);
  }
  if (parts_->join != joining::visible_spaces) return text;
  text = with_visible_spaces_as_spaces(text);
  if (parts_->form.in_front != first_space::none && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

long tokenizer::vocabulary_size() const { return names_of(parts_->model).size() + beyond_the_model(*parts_); }

const std::string& tokenizer::token(std::int32_t id) const {
  check_token("tokenizer::token", id, vocabulary_size());
  const vocabulary& names = names_of(parts_->model);
  return id < names.size() ? names.token(id) : added_with_id(*parts_, id)->name;
}

std::optional<std::int32_t> tokenizer::id(std::string_view token) const {
  if (const auto known = names_of(parts_->model).find(token)) return known;
  const auto place = std::ranges::find(parts_->added, token, &added_token::name);
  return place == parts_->added.end() ? std::nullopt : std::optional(place->id);
}

const std::vector<std::int32_t>& tokenizer::special_ids() const { return parts_->special_ids; }

bool tokenizer::is_special(std::int32_t id) const { return std::ranges::binary_search(parts_->special_ids, id); }

std::int32_t tokenizer::special(std::string_view name) const {
  std::string there;
  for (const std::int32_t id : parts_->special_ids) {
    if (token(id) == name) return id;
    there += (there.empty() ? "" : ", ") + token(id);
  }
  refuse("tokenizer::special", there.empty() ? "a tokenizer with special tokens" : "one of " + there,
         std::string(name));
}

std::string tokenizer::in_words() const {
  const auto* bpe = std::get_if<bpe_model>(&parts_->model);
  const std::string kind = std::holds_alternative<unigram_model>(parts_->model) ? "unigram pieces"
                           : !bpe                                               ? "words"
                           : bpe->merges().empty()    ? (bpe->settings().of_bytes ? "bytes" : "characters")
                           : bpe->settings().of_bytes ? "byte-level BPE"
                                                      : "BPE";
  return kind + " with " + std::to_string(vocabulary_size()) + " tokens";
}

}  // namespace qkv
