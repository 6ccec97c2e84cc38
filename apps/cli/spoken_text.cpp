#include "apps/cli/spoken_text.h"

#include <fmt/format.h>

#include "qkv/io/utf8.h"

namespace qkv::cli {
namespace {

constexpr const char* replacement = "\xEF\xBF\xBD";  // U+FFFD

/// How many bytes the first byte of a character promises; 1 for a byte that begins none.
std::size_t promised(unsigned char first) {
  return first >= 0xF0 && first < 0xF8 ? 4 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xC2 && first < 0xE0 ? 2 : 1;
}

/// Whether more bytes may still make these a character.
bool may_go_on(std::string_view bytes) {
  if (bytes.size() >= promised(static_cast<unsigned char>(bytes.front()))) return false;
  for (const char c : bytes.substr(1))
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) return false;
  return true;
}

}  // namespace

std::string bytes_of(const tokenizer& tokens, std::optional<std::int32_t> before, std::int32_t token) {
  if (!before) return tokens.decode(std::span(&token, 1));
  const std::int32_t both[] = {*before, token};
  return tokens.decode(both).substr(tokens.decode(std::span(both, 1)).size());
}

spoken_text::spoken_text(const tokenizer& tokens, std::span<const std::int32_t> heard) : tokens_(tokens) {
  for (const std::int32_t token : heard)
    if (!tokens.is_special(token)) before_ = token;
}

std::string spoken_text::whole_characters() {
  std::string text;
  while (!bytes_.empty()) {
    const std::size_t valid = valid_utf8_length(bytes_);
    text += bytes_.substr(0, valid);
    bytes_.erase(0, valid);
    if (bytes_.empty() || may_go_on(bytes_)) break;
    text += replacement;
    bytes_.erase(0, 1);
  }
  return text;
}

std::string spoken_text::add(std::int32_t token) {
  bytes_ += bytes_of(tokens_, before_, token);
  if (!tokens_.is_special(token)) before_ = token;
  return whole_characters();
}

std::string spoken_text::end() {
  const std::string text = bytes_.empty() ? "" : replacement;
  bytes_.clear();
  return text;
}

std::string spoken(const tokenizer& tokens, std::span<const std::int32_t> all, std::span<const std::int32_t> heard) {
  spoken_text speech(tokens, heard);
  std::string text;
  for (const std::int32_t token : all) text += speech.add(token);
  return text + speech.end();
}

std::string piece_of(const tokenizer& tokens, std::optional<std::int32_t> before, std::int32_t token) {
  if (tokens.is_special(token)) return tokens.token(token);
  const std::string bytes = bytes_of(tokens, before, token);
  std::string label;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t valid = valid_utf8_length(rest);
    label += rest.substr(0, valid);
    rest.remove_prefix(valid);
    if (rest.empty()) break;
    label += fmt::format("<0x{:02X}>", static_cast<unsigned char>(rest.front()));
    rest.remove_prefix(1);
  }
  return label;
}

std::vector<std::string> pieces_of(const tokenizer& tokens, std::span<const std::int32_t> all) {
  std::vector<std::string> pieces;
  std::optional<std::int32_t> before;
  for (const std::int32_t token : all) {
    pieces.push_back(piece_of(tokens, before, token));
    if (!tokens.is_special(token)) before = token;
  }
  return pieces;
}

}  // namespace qkv::cli
