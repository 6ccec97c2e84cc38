// What a character is: a letter, a number, a space or something else; and its lower-case form.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace qkv::tokens {

enum class character_kind : unsigned char { other, letter, number, space };

/// Letters are Unicode's categories L (\p{L}), numbers N (\p{N}), spaces the property White_Space (\s).
character_kind kind_of(char32_t character);

/// A character of a word, \w: letters and their marks, decimal digits, connectors as '_', joiners.
/// Source: Unicode Technical Standard 18, annex C.
bool in_a_word(char32_t character);

/// Not a character: what next_character gives for a byte that belongs to none.
inline constexpr char32_t no_character = 0xFFFFFFFF;

/// The character that starts at `position`, which moves behind it.  A byte that is not part of valid UTF-8 counts as
/// one character, no_character, of the kind `other`.
char32_t next_character(std::string_view text, std::size_t& position);

/// Appends the lower-case form in UTF-8, usually one character ("İ" has two).
void append_lower_case(std::string& text, char32_t character);

}  // namespace qkv::tokens
