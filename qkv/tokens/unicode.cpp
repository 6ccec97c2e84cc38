#include "qkv/tokens/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "qkv/io/utf8.h"

namespace qkv::tokens {
namespace {

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

character_kind find_kind(char32_t c) {
  if (c == no_character) return character_kind::other;
  if (is_space(c)) return character_kind::space;
  switch (utf8proc_category(utf8proc_int32_t(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return character_kind::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return character_kind::number;
    default:
      return character_kind::other;
  }
}

/// Circled and squared letters, which are symbols by category and letters by the property Other_Alphabetic.
bool is_circled_letter(char32_t c) {
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

bool find_in_a_word(char32_t c) {
  if (c == no_character) return false;
  switch (utf8proc_category(utf8proc_int32_t(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    case UTF8PROC_CATEGORY_NO:
      return false;
    default:
      break;
  }
  constexpr char32_t zero_width_non_joiner = 0x200C, zero_width_joiner = 0x200D;
  return find_kind(c) == character_kind::letter || c == zero_width_non_joiner || c == zero_width_joiner ||
         is_circled_letter(c);
}

template <class Answer>
auto answers_for_ascii(Answer answer) {
  std::array<decltype(answer(U'a')), 128> answers{};
  for (char32_t c = 0; c < answers.size(); ++c) answers[c] = answer(c);
  return answers;
}

}  // namespace

character_kind kind_of(char32_t character) {
  static const auto ascii = answers_for_ascii(find_kind);
  return character < ascii.size() ? ascii[character] : find_kind(character);
}

bool in_a_word(char32_t character) {
  static const auto ascii = answers_for_ascii(find_in_a_word);
  return character < ascii.size() ? ascii[character] : find_in_a_word(character);
}

char32_t next_character(std::string_view text, std::size_t& position) {
  const auto first = static_cast<unsigned char>(text[position]);
  if (first < 0x80) return text[position++];
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  const std::string_view sequence = text.substr(position, length);
  if (sequence.size() == length && valid_utf8_length(sequence) == length) return next_code_point(text, position);
  ++position;
  return no_character;
}

void append_lower_case(std::string& text, char32_t character) {
  constexpr char32_t capital_i_with_dot = 0x130;
  if (character == capital_i_with_dot) {
    text += "i\xCC\x87";  // the only character whose lower-case form has two, by Unicode's SpecialCasing
  } else {
    append_utf8(text, char32_t(utf8proc_tolower(utf8proc_int32_t(character))));
  }
}

}  // namespace qkv::tokens
