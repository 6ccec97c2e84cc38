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
  std::string text;
  std::vector<std::uint32_t> origin;  ///< text.size() + 1 places in the source; empty: text is as long as the source

  std::uint32_t source_of(std::size_t byte) const { return origin.empty() ? std::uint32_t(byte) : origin[byte]; }
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
