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

/// The links of a partial tile, [tile_rows, tile_columns]: -1 where one exists, else 0.
inline void truth_of(const formula& rule, const tile& t, long existing, std::int32_t* truth) {
  for (int n = 0; n < tile_rows * tile_columns; ++n) truth[n] = -(n / tile_columns < t.rows);
  if (rule.masks()) rule.keep(t, truth, tile_columns);
  for (long c = existing; c < tile_columns; ++c)
    for (int r = 0; r < tile_rows; ++r) truth[r * tile_columns + c] = 0;
}

}  // namespace qkv::QKV_INSTRUCTION_SET
