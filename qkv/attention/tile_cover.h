// What the mask says of one tile of a block.  Included by kernels only.
#pragma once
#include "qkv/attention/formula.h"
#include "qkv/kernels/tile_product.h"

namespace qkv::QKV_INSTRUCTION_SET {

enum cover : unsigned char { dead, part, full };

/// t.keys may run past the last key; `existing` of them exist.
inline cover cover_of(const formula& rule, const tile& t, long existing) {
  const position<interval> at{interval(t.offset + t.row, t.offset + t.row + t.rows - 1),
                              interval(t.key, t.key + existing - 1),
                              interval(t.head),
                              interval(t.batch),
                              interval(t.row, t.row + t.rows - 1),
                              interval(t.all_rows),
                              interval(t.all_keys)};
  const coverage c = rule.classify(at);
  return c.empty() ? dead : c.full() && existing == t.keys ? full : part;
}

/// Classifies all tiles of a block by asking about rectangles of them, and halving those that are not decided.
template <int MostColumns>
class block_cover {
 public:
  /// block.row, block.rows: its queries; block.key: its first key; `existing` keys exist.
  block_cover(const formula& rule, const tile& block, long existing, cover (*how)[MostColumns])
      : rule_(rule), block_(block), existing_(existing), how_(how) {}

  void run(int panels, int key_panels) const { ask(0, panels, 0, key_panels); }

 private:
  void ask(int i, int i_end, int j, int j_end) const {
    tile t = block_;
    t.row += i * tile_rows;
    t.rows = minimum((i_end - i) * tile_rows, block_.rows - i * tile_rows);
    t.key += j * tile_columns;
    t.keys = (j_end - j) * tile_columns;
    const long there = minimum(t.keys, existing_ - j * tile_columns);
    const cover c = cover_of(rule_, t, there);
    if (c == part && (i_end - i > 1 || j_end - j > 1)) {
      const int i_half = (i + i_end + 1) / 2, j_half = (j + j_end + 1) / 2;
      const bool tall = j_end - j == 1 || (i_end - i > 1 && (i_end - i) * tile_rows >= (j_end - j) * tile_columns);
      if (tall) return ask(i, i_half, j, j_end), ask(i_half, i_end, j, j_end);
      return ask(i, i_end, j, j_half), ask(i, i_end, j_half, j_end);
    }
    for (int a = i; a < i_end; ++a)
      for (int b = j; b < j_end; ++b) how_[a][b] = c;
  }
  static long minimum(long a, long b) { return a < b ? a : b; }

  const formula& rule_;
  const tile& block_;
  const long existing_;
  cover (*const how_)[MostColumns];
};

/// The links of a partial tile, [tile_rows, tile_columns]: -1 where one exists, else 0.
inline void truth_of(const formula& rule, const tile& t, long existing, std::int32_t* truth) {
  for (int n = 0; n < tile_rows * tile_columns; ++n) truth[n] = -(n / tile_columns < t.rows);
  if (rule.masks()) rule.keep(t, truth, tile_columns);
  for (long c = existing; c < tile_columns; ++c)
    for (int r = 0; r < tile_rows; ++r) truth[r * tile_columns + c] = 0;
}

}  // namespace qkv::QKV_INSTRUCTION_SET
