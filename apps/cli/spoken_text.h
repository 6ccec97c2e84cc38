// Tokens as they become text, one after the other.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qkv/tokens/tokenizer.h"

namespace qkv::cli {

/// What each further token adds to a text: whole characters only, and the space before a word where words are tokens.
class spoken_text {
 public:
  /// @param heard  the tokens before; what they add is not told   The caller keeps the tokenizer alive.
  explicit spoken_text(const tokenizer& tokens, std::span<const std::int32_t> heard = {});

  /// The text that the token adds; a character that it only begins is told with the token that ends it.
  std::string add(std::int32_t token);
  /// What was begun and never ended, as U+FFFD.
  std::string end();

 private:
  std::string whole_characters();

  const tokenizer& tokens_;
  std::optional<std::int32_t> before_;
  std::string bytes_;  // of a character that is not whole yet
};

/// The text of `tokens` behind `heard`, in valid UTF-8.
std::string spoken(const tokenizer& tokens, std::span<const std::int32_t> all,
                   std::span<const std::int32_t> heard = {});

/// The bytes that a token adds behind the one before it, which need not be whole characters.
std::string bytes_of(const tokenizer& tokens, std::optional<std::int32_t> before, std::int32_t token);

/// The text of each token, as a label: special tokens by name, bytes that are no characters as <0xE2>.
std::vector<std::string> pieces_of(const tokenizer& tokens, std::span<const std::int32_t> all);

/// What one token adds behind another one (or at a text's start), as pieces_of has it.
std::string piece_of(const tokenizer& tokens, std::optional<std::int32_t> before, std::int32_t token);

}  // namespace qkv::cli
