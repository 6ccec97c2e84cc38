// What the terminal can show, and texts laid out in its columns.
#pragma once
#include <cstdio>
#include <string>
#include <string_view>

namespace qkv::cli {

enum class look {
  ascii,    ///< no colour, no drawing characters: files and pipes
  unicode,  ///< blocks and lines, no colour
  colour,   ///< both
};

bool is_terminal(std::FILE* stream);

/// ascii where `stream` is no terminal; else what $TERM, $NO_COLOR and the locale allow.
look look_of_terminal(std::FILE* stream);

/// The terminal's width; 100 where there is none.
int columns_of_terminal(std::FILE* stream);

/// How many columns a text takes: wide characters take two, combining marks none.
int columns_of(std::string_view text);

/// A text filled up with spaces to `columns`, on its right or on its left.
std::string left_aligned(std::string_view text, int columns);
std::string right_aligned(std::string_view text, int columns);

/// A token as a label: spaces and line ends get a sign, control characters their number, so that no text can steer a
/// terminal.  In ascii a space is "_" and a line end "\n".
std::string visible(std::string_view token, look);

/// The same, cut to at most `columns`, so that one long token does not push the others apart.
std::string short_label(std::string_view token, int columns, look);

std::string bold(std::string_view text, look);
std::string dim(std::string_view text, look);

/// One cell of a heat map, `columns` wide, for a weight between 0 and 1.
std::string shade(double weight, int columns, look);

/// A bar of up to `columns` columns for a share between 0 and 1.
std::string bar(double share, int columns, look);

}  // namespace qkv::cli
