// What a block of queries needs before it can weigh: the queries, packed; which of a key block's tiles live; the raw
// scores of a tile, for every similarity.  Included by kernels that walk along queries.
#pragma once
#include "qkv/attention/forward_kernel.h"
#include "qkv/attention/packing.h"
#include "qkv/attention/tile_cover.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr float log2_e = 1.4426950408889634f, infinity = __builtin_inff();
constexpr double ln_2 = 0.6931471805599453;
constexpr int side = forward_query_side, panels = side / tile_rows;
constexpr int pitch = forward_key_side + 16;  // of the scores' rows; not a power of two, for the cache's sake
constexpr int most_key_panels = forward_key_side / tile_columns;

class query_scores {
 protected:
  query_scores(const forward_work& work, float* packed_queries, bool stores)
      : w(work), kind(form_of(work)), stored(stores || kind == form::pairwise), blind(w.rule->row().blind),
        live_panels(int((w.where.rows + tile_rows - 1) / tile_rows)), q(packed_queries) {
    const float unit = stored ? 1.f : log2_e;
    const float factor = kind == form::pairwise ? 1.f : kind == form::distance ? 2 * w.scale * unit : w.scale * unit;
    finite = true;
    for (int i = 0; i < live_panels; ++i)
      finite &= pack_panel<tile_rows>(w.queries + i * tile_rows * w.query_stride, w.query_stride,
                                      w.where.rows - i * tile_rows, w.depth, factor, q + i * tile_rows * w.depth);
    square_factor = -w.scale * unit;
    for (int i = 0; i < live_panels * tile_rows; ++i) {
      square[i] = kind == form::distance && i < w.where.rows ? square_factor * w.query_squares[i] : 0;
      finite &= square[i] - square[i] == 0;
    }
  }

  /// The key block at hand: where it is, which of its tiles are dead, partial, full, and the live range of each panel.
  void begin(long block, bool block_is_full) {
    first_key = block * w.key_block;
    keys = w.where.all_keys - first_key < w.key_block ? w.where.all_keys - first_key : w.key_block;
    key_panels = int((keys + tile_columns - 1) / tile_columns);
    const long at = w.narrow ? 0 : block;
    k = w.head.keys + at * w.key_block * w.depth;
    sizes = w.head.sizes[at];
    exact = finite && sizes != value_sizes::not_finite;
    if (block_is_full) {
      for (int i = 0; i < live_panels; ++i)
        for (int j = 0; j < key_panels; ++j) how[i][j] = existing(j) == tile_columns ? full : part;
    } else {
      tile where = w.where;
      where.key = first_key;
      block_cover<most_key_panels>(*w.rule, where, keys, how).run(live_panels, key_panels);
    }
    for (int i = 0; i < live_panels; ++i) {
      from[i] = key_panels, to[i] = 0;
      for (int j = 0; j < key_panels; ++j) {
        if (how[i][j] == dead) continue;
        if (j < from[i]) from[i] = j;
        to[i] = j + 1;
      }
    }
  }

  tile tile_at(int i, int j, int key_tiles) const {
    tile t = w.where;
    t.row += i * tile_rows;
    t.rows = w.where.rows - i * tile_rows < tile_rows ? w.where.rows - i * tile_rows : tile_rows;
    t.key = first_key + j * tile_columns;
    t.keys = key_tiles * tile_columns;
    return t;
  }
  long existing(int j) const { return keys - j * tile_columns < tile_columns ? keys - j * tile_columns : tile_columns; }

  /// The sums of a tile: dot products, or -|q - k|^2 = 2 q.k - |q|^2 - |k|^2.  Which of them is known when it is compiled:
  /// a branch here would cost the sums their registers.
  template <form Kind>
  [[gnu::always_inline]] void product(int i, int j, tile_sums& s) const {
    if constexpr (Kind == form::distance) {
      const float* const squares = w.key_squares + first_key + j * tile_columns;
      const reals a = load(squares) * reals(square_factor), b = load(squares + width) * reals(square_factor);
#pragma GCC unroll 16
      for (int r = 0; r < tile_rows; ++r) {
        const reals of_row = square[i * tile_rows + r];
        s.at[r][0] = of_row + a, s.at[r][1] = of_row + b;
      }
    } else {
      s.fill(0.f);
    }
    s.add_product<1, tile_rows>(q + i * tile_rows * w.depth, k + j * tile_columns * w.depth, w.depth);
  }

  /// Raw scores of a tile: before the formula's scores and the mask.  Each depends on its own link alone, NaN or not.
  void raw_tile(int i, int j) {
    float* const at = p + i * tile_rows * pitch + j * tile_columns;
    if (blind) return clear_tile(at);
    if (kind == form::pairwise)
      return w.rule->similarities({q + i * tile_rows * w.depth, tile_rows, k + j * tile_columns * w.depth, tile_columns,
                                   tile_rows, tile_columns, w.depth}, w.scale, at, pitch);
    if (kind == form::distance && !exact) return distant_tile(i, j, at);
    kind == form::distance ? product_tile<form::distance>(i, j, at) : product_tile<form::dot>(i, j, at);
  }
  /// The formula's scores of panel i's live range; -infinity where there is no link.
  void finish_scores(int i) {
    float* const row = p + i * tile_rows * pitch;
    if (w.rule->scores() && !blind)
      w.rule->score(tile_at(i, from[i], to[i] - from[i]), row + from[i] * tile_columns, pitch);
    for (int j = from[i]; j < to[i]; ++j) {
      if (how[i][j] == full) continue;
      alignas(64) std::int32_t truth[tile_rows * tile_columns] = {};
      if (how[i][j] == part) truth_of(*w.rule, tile_at(i, j, 1), existing(j), truth);
      for (int r = 0; r < tile_rows; ++r)
        for (int c = 0; c < tile_columns; c += width) {
          float* const at = row + r * pitch + j * tile_columns + c;
          store(at, select(load_truth(truth + r * tile_columns + c), load(at), reals(-infinity)));
        }
    }
  }
  static void clear_tile(float* at) {
    for (int r = 0; r < tile_rows; ++r) store(at + r * pitch, reals(0.f)), store(at + r * pitch + width, reals(0.f));
  }

  const forward_work& w;
  const form kind;
  const bool stored, blind;  // stored: raw scores are written down before they are weighed
  const int live_panels;     // of this block's queries
  float* const q;            // [panel][D][tile_rows]
  float* p = nullptr;        // [side][pitch]: scores, then weights, of the key block at hand
  bool finite;               // the queries
  float square[side], square_factor;
  // The key block at hand.
  long first_key = 0, keys = 0;
  int key_panels = 0;
  bool exact = true;         // neither NaN nor infinity in queries, keys or values
  value_sizes sizes = value_sizes::ordinary;
  const float* k = nullptr;
  int from[panels], to[panels];
  cover how[panels][most_key_panels];

 private:
  template <form Kind>
  void product_tile(int i, int j, float* at) const {
    tile_sums s;
    product<Kind>(i, j, s);
    s.store_to(at, pitch);
  }
  // Narrow keys have no squares beside them: their distances are taken channel by channel.
  static form form_of(const forward_work& w) {
    const form f = w.rule->similarity_form();
    return w.narrow && f == form::distance ? form::pairwise : f;
  }
  // Squares that overflow, or are NaN, say nothing of the distance.
  void distant_tile(int i, int j, float* at) const {
    const float unit = stored ? 1.f : log2_e;
    for (int r = 0; r < tile_rows; ++r)
      for (int c = 0; c < tile_columns; ++c) {
        float sum = 0;
        for (long d = 0; d < w.depth && i * tile_rows + r < w.where.rows && c < existing(j); ++d) {
          const float apart = w.queries[(i * tile_rows + r) * w.query_stride + d] -
                              w.head.raw_keys[(first_key + j * tile_columns + c) * w.head.raw_key_stride + d];
          sum += apart * apart;
        }
        at[r * pitch + c] = -w.scale * unit * sum;
      }
  }
};

}  // namespace
}  // namespace qkv::QKV_INSTRUCTION_SET
