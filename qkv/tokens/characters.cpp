#include "qkv/tokens/characters.h"

#include <algorithm>
#include <bitset>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "qkv/base/error.h"
#include "qkv/io/utf8.h"

namespace qkv {
namespace {

using nlohmann::json;

constexpr const char* type_in_json = "characters";

void require_utf8(const char* operation, std::string_view text) {
  if (const std::size_t valid = valid_utf8_length(text); valid < text.size()) {
    refuse(operation, "a text in UTF-8", "other bytes at byte " + std::to_string(valid));
  }
}

std::vector<char32_t> distinct_characters(std::string_view text) {
  require_utf8("character_vocabulary", text);
  if (text.empty()) refuse("character_vocabulary", "a text with at least one character", "an empty one");
  std::bitset<0x110000> seen;
  for (std::size_t position = 0; position < text.size();) seen.set(next_code_point(text, position));
  std::vector<char32_t> characters;
  for (char32_t c = 0; c < seen.size(); ++c) {
    if (seen[c]) characters.push_back(c);
  }
  return characters;
}

std::string utf8_of(std::span<const char32_t> characters) {
  std::string text;
  for (const char32_t c : characters) append_utf8(text, c);
  return text;
}

/// In quotes, with line breaks and the like written as JSON writes them.
std::string in_quotes(const std::string& text) { return json(text).dump(); }

std::string in_words(char32_t character) {
  std::array<char, 16> code{};
  std::snprintf(code.data(), code.size(), "U+%04X", unsigned(character));
  return in_quotes(utf8_of({&character, 1})) + " (" + code.data() + ")";
}

}  // namespace

character_vocabulary::character_vocabulary(std::string_view text) : character_vocabulary(distinct_characters(text)) {}

character_vocabulary::character_vocabulary(std::vector<char32_t> characters) : characters_(std::move(characters)) {
  ascii_.fill(-1);
  for (std::size_t token = 0; token < characters_.size() && characters_[token] < ascii_.size(); ++token) {
    ascii_[characters_[token]] = std::int32_t(token);
  }
}

std::optional<std::int32_t> character_vocabulary::find(char32_t character) const {
  if (character < ascii_.size()) return ascii_[character] < 0 ? std::nullopt : std::optional(ascii_[character]);
  const auto place = std::ranges::lower_bound(characters_, character);
  if (place == characters_.end() || *place != character) return std::nullopt;
  return std::int32_t(place - characters_.begin());
}

std::string character_vocabulary::in_words() const {
  constexpr std::size_t shown = 40;
  const std::string first = utf8_of(std::span(characters_).first(std::min(shown, characters_.size())));
  return std::to_string(size()) + " characters " + in_quotes(first + (characters_.size() > shown ? "..." : ""));
}

std::vector<std::int32_t> character_vocabulary::encode_each(std::string_view text,
                                                            std::optional<std::int32_t> replacement) const {
  require_utf8("character_vocabulary::encode", text);
  std::vector<std::int32_t> tokens;
  tokens.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const char32_t character = next_code_point(text, position);
    const std::optional<std::int32_t> token = find(character);
    if (!token && !replacement) {
      refuse("character_vocabulary::encode", "the " + in_words(),
             qkv::in_words(character) + " at character " + std::to_string(tokens.size()) +
                 "; leave it out, or name a character to replace it");
    }
    tokens.push_back(token ? *token : *replacement);
  }
  return tokens;
}

std::vector<std::int32_t> character_vocabulary::encode(std::string_view text) const {
  return encode_each(text, std::nullopt);
}

std::vector<std::int32_t> character_vocabulary::encode(std::string_view text, char32_t replacement) const {
  const std::optional<std::int32_t> token = find(replacement);
  if (!token) {
    refuse("character_vocabulary::encode", "a replacement among the " + in_words(), qkv::in_words(replacement));
  }
  return encode_each(text, token);
}

std::string character_vocabulary::decode(std::span<const std::int32_t> tokens) const {
  std::string text;
  for (const std::int32_t token : tokens) {
    if (token < 0 || token >= size()) {
      refuse("character_vocabulary::decode", "tokens from 0 to " + std::to_string(size() - 1), std::to_string(token));
    }
    append_utf8(text, characters_[std::size_t(token)]);
  }
  return text;
}

std::string character_vocabulary::to_json() const {
  return json{{"type", type_in_json}, {"characters", utf8_of(characters_)}}.dump();
}

character_vocabulary character_vocabulary::from_json(std::string_view text) {
  const auto refused = [](const std::string& found) {
    return file_error("character vocabulary: expected {\"type\": \"characters\", \"characters\": \"...\"}; found " +
                      found);
  };
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) throw refused("text that is not JSON");
  if (!object.is_object() || object.value("type", json()) != type_in_json) throw refused("another type");
  const json characters = object.value("characters", json());
  if (!characters.is_string()) throw refused("no string of characters");
  const auto& listed = characters.get_ref<const std::string&>();
  if (listed.empty()) throw refused("no characters");
  character_vocabulary vocabulary(listed);
  // Tokens are places in this list, so a list in another order belongs to other tokens.
  if (utf8_of(vocabulary.characters_) != listed) throw refused("characters out of order or repeated");
  return vocabulary;
}

}  // namespace qkv
