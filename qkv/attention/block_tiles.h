// The tiles of one block of queries by one block of keys, both of side `Side`: where each is; which are dead, partial,
// full; the live range of every panel both ways.  Included by kernels that walk along keys.
#pragma once
#include "qkv/attention/tile_cover.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

template <int Side>
class block_tiles {
 protected:
  static constexpr int most_query_panels = Side / tile_rows, most_key_panels = Side / tile_columns;

  block_tiles(const formula& f, const tile& place) : rule(f), where(place) {}

  void take_keys(long block) {
    first_key = block * Side;
    keys = where.all_keys - first_key < Side ? where.all_keys - first_key : Side;
    key_panels = int((keys + tile_columns - 1) / tile_columns);
  }
  void take_queries(long head, long block) {
    where.head = head;
    first_row = block * Side;
    rows = where.all_rows - first_row < Side ? where.all_rows - first_row : Side;
    query_panels = int((rows + tile_rows - 1) / tile_rows);
  }

  tile block_tile() const {
    tile t = where;
    t.row = first_row, t.rows = rows;
    t.key = first_key, t.keys = key_panels * tile_columns;
    return t;
  }
  tile panel_tile(int i) const {
    tile t = block_tile();
    t.row += i * tile_rows;
    t.rows = rows - i * tile_rows < tile_rows ? rows - i * tile_rows : tile_rows;
    return t;
  }
  tile tile_at(int i, int j) const {
    tile t = panel_tile(i);
    t.key += j * tile_columns;
    t.keys = tile_columns;
    return t;
  }
  /// Keys of tile column j that exist.
  long existing(int j) const { return keys - j * tile_columns < tile_columns ? keys - j * tile_columns : tile_columns; }

  /// Fills what follows.  False: no link lives.
  bool classify(bool block_is_full) {
    if (block_is_full) {
      for (int i = 0; i < query_panels; ++i)
        for (int j = 0; j < key_panels; ++j) how[i][j] = existing(j) == tile_columns ? full : part;
    } else {
      const tile block = block_tile();
      block_cover<most_key_panels>(rule, block, keys, how).run(query_panels, key_panels);
    }
    bool any = false;
    for (int i = 0; i < query_panels; ++i) from[i] = key_panels, to[i] = 0;
    for (int j = 0; j < key_panels; ++j) {
      query_from[j] = query_panels, query_to[j] = 0;
      for (int i = 0; i < query_panels; ++i) {
        if (how[i][j] == dead) continue;
        any = true;
        if (j < from[i]) from[i] = j;
        if (i < query_from[j]) query_from[j] = i;
        to[i] = j + 1, query_to[j] = i + 1;
      }
    }
    return any;
  }

  const formula& rule;
  tile where;  // of the sequence and the head at hand
  long first_row = 0, rows = 0, first_key = 0, keys = 0;
  int query_panels = 0, key_panels = 0;
  int from[most_query_panels], to[most_query_panels];          // live key panels of a query panel
  int query_from[most_key_panels], query_to[most_key_panels];  // live query panels of a key panel
  cover how[most_query_panels][most_key_panels];
};

}  // namespace
}  // namespace qkv::QKV_INSTRUCTION_SET
