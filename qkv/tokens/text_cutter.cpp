#include "qkv/tokens/text_cutter.h"

#include <array>
#include <cstddef>

#include "qkv/tokens/text_form.h"
#include "qkv/tokens/unicode.h"

namespace qkv::tokens {
namespace {

using kind = character_kind;

kind kind_at(std::string_view text, std::size_t position) { return kind_of(next_character(text, position)); }

/// Behind the run of characters that start at `position` and for which `belongs` holds.
template <class Belongs>
std::size_t end_of_run(std::string_view text, std::size_t position, Belongs belongs) {
  while (position < text.size()) {
    std::size_t next = position;
    if (!belongs(next_character(text, next))) break;
    position = next;
  }
  return position;
}

std::size_t end_of_kind(std::string_view text, std::size_t position, kind wanted) {
  return end_of_run(text, position, [wanted](char32_t c) { return kind_of(c) == wanted; });
}

/// The length of 's, 't, 're, 've, 'm, 'll or 'd at `position`; 0 if none is there.
std::size_t contraction(std::string_view text, std::size_t position) {
  constexpr std::array<std::string_view, 7> endings{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  if (text[position] != '\'') return 0;
  for (const std::string_view ending : endings)
    if (text.substr(position).starts_with(ending)) return ending.size();
  return 0;
}

/// Behind the spaces that a part takes: all but the last one, which belongs to the word behind it if it is " ".
std::size_t end_of_spaces(std::string_view text, std::size_t position) {
  std::size_t last = position;
  std::size_t end = position;
  while (end < text.size() && kind_at(text, end) == kind::space) {
    last = end;
    next_character(text, end);
  }
  return end == text.size() || last == position ? end : last;
}

/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ : one match at `position`.
/// Source: Radford et al. 2019, the published code of GPT-2.
std::size_t end_of_gpt2_word(std::string_view text, std::size_t position) {
  if (const std::size_t length = contraction(text, position)) return position + length;
  const std::size_t word = position + (text[position] == ' ');
  if (word < text.size())
    if (const kind here = kind_at(text, word); here != kind::space) return end_of_kind(text, word, here);
  return end_of_spaces(text, position);
}

std::size_t end_of_word(std::string_view text, std::size_t position, bool single_marks) {
  std::size_t next = position;
  if (in_a_word(next_character(text, next))) return end_of_run(text, position, in_a_word);
  if (single_marks) return next;
  return end_of_run(text, position, [](char32_t c) { return !in_a_word(c) && kind_of(c) != kind::space; });
}

std::size_t end_of_number(std::string_view text, std::size_t position, bool single) {
  const bool number = kind_at(text, position) == kind::number;
  if (number && single) return next_character(text, position), position;
  return end_of_run(text, position, [number](char32_t c) { return (kind_of(c) == kind::number) == number; });
}

std::size_t end_at_visible_space(std::string_view text, std::size_t position) {
  return std::min(text.find(visible_space, position + 1), text.size());
}

std::size_t end_of_part(std::string_view text, std::size_t position, cutting rule) {
  switch (rule) {
    case cutting::gpt2_words:
      return end_of_gpt2_word(text, position);
    case cutting::words:
      return end_of_word(text, position, /*single_marks=*/false);
    case cutting::words_single_marks:
      return end_of_word(text, position, /*single_marks=*/true);
    case cutting::single_digits:
      return end_of_number(text, position, /*single=*/true);
    case cutting::numbers:
      return end_of_number(text, position, /*single=*/false);
    case cutting::visible_spaces:
      return end_at_visible_space(text, position);
  }
  return text.size();
}

}  // namespace

void cut(std::string_view text, part whole, cutting rule, std::vector<part>& parts) {
  const bool spaces_dropped = rule == cutting::words || rule == cutting::words_single_marks;
  const std::string_view inside = text.substr(whole.begin, whole.end - whole.begin);
  for (std::size_t position = 0; position < inside.size();) {
    if (spaces_dropped && kind_at(inside, position) == kind::space) {
      next_character(inside, position);
      continue;
    }
    const std::size_t end = end_of_part(inside, position, rule);
    parts.push_back({whole.begin + std::uint32_t(position), whole.begin + std::uint32_t(end)});
    position = end;
  }
}

void cut(std::string_view text, const std::vector<cutting>& rules, std::vector<part>& parts,
         std::vector<part>& scratch) {
  parts.clear();
  if (!text.empty()) parts.push_back({0, std::uint32_t(text.size())});
  for (const cutting rule : rules) {
    scratch.clear();
    for (const part whole : parts) cut(text, whole, rule, scratch);
    parts.swap(scratch);
  }
}

}  // namespace qkv::tokens
