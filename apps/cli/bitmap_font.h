// A small face for pictures made of pixels.
#pragma once

namespace qkv::cli {

inline constexpr int glyph_width = 5, glyph_height = 9;  ///< leave a column between two glyphs

/// Whether the glyph has ink at column x, row y from the top.  What is not ASCII is drawn as a box.
bool glyph_pixel(char32_t code_point, int x, int y);

}  // namespace qkv::cli
