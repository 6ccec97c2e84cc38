// What is done to a text before it is cut: lower case, a space in front, spaces made visible.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qkv::tokens {

/// U+2581, which stands for a space in tokens that must show it.  Source: Kudo and Richardson 2018 (SentencePiece).
inline constexpr std::string_view visible_space = "\xE2\x96\x81";

/// A text after changes, and where each of its bytes came from.
struct formed_text {
  struct source {
    std::uint32_t begin, end;
  };
  std::string text;
  std::vector<source> sources;  ///< of every byte of the text; a byte of a character of another length has all of it

  /// The bytes of the source that bytes begin .. end-1 of the text came from; end > begin.
  source source_of(std::size_t begin, std::size_t end) const { return {sources[begin].begin, sources[end - 1].end}; }
};

enum class first_space { none, at_the_start, always };

struct text_form {
  bool lower_case = false;
  bool spaces_visible = false;               ///< " " becomes "▁"
  first_space in_front = first_space::none;  ///< a space (visible or not) where the text does not start with one

  bool changes_nothing() const { return !lower_case && !spaces_visible && in_front == first_space::none; }

  /// @param at_the_start  whether this is the start of the whole text, not a part behind a special token
  formed_text apply(std::string_view text, bool at_the_start) const;

  bool operator==(const text_form&) const = default;
};

}  // namespace qkv::tokens
