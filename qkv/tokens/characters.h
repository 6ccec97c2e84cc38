// Characters as tokens: the smallest vocabulary there is, made of the characters of one text.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qkv {

/// A character is a Unicode code point; its token is its place among the text's distinct code points in order.
class character_vocabulary {
 public:
  /// The characters of a text in UTF-8.  Throws shape_error when it is empty or not UTF-8.
  explicit character_vocabulary(std::string_view text);

  long size() const { return long(characters_.size()); }
  /// In increasing order, which is that of their tokens.
  const std::vector<char32_t>& characters() const { return characters_; }
  bool contains(char32_t character) const { return find(character).has_value(); }

  /// For messages: '65 characters "\n !$&',-.3:;?AB..."'.
  std::string in_words() const;

  /// One token a character.
  /// @throws shape_error "character_vocabulary::encode: expected the 65 characters "\n !$&',-.3:;?AB..."; found "é"
  ///         (U+00E9) at character 12; ..." and when the text is not UTF-8
  std::vector<std::int32_t> encode(std::string_view text) const;

  /// The same, with `replacement` in the place of every unknown character; it must be in the vocabulary itself.
  std::vector<std::int32_t> encode(std::string_view text, char32_t replacement) const;

  /// The text of the tokens, in UTF-8.  Throws shape_error for a token outside 0 .. size()-1.
  std::string decode(std::span<const std::int32_t> tokens) const;

  /// For a checkpoint's metadata: {"type": "characters", "characters": "\n !$&..."}.
  std::string to_json() const;
  /// Throws file_error when the JSON is not what to_json() writes.
  static character_vocabulary from_json(std::string_view json);

  bool operator==(const character_vocabulary&) const = default;

 private:
  explicit character_vocabulary(std::vector<char32_t> characters);
  std::optional<std::int32_t> find(char32_t character) const;
  std::vector<std::int32_t> encode_each(std::string_view text, std::optional<std::int32_t> replacement) const;

  std::vector<char32_t> characters_;       // in increasing order
  std::array<std::int32_t, 128> ascii_{};  // the tokens of the commonest, without a search; -1: unknown
};

}  // namespace qkv
