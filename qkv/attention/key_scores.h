// What a block of keys needs before it can differentiate: the keys and values, packed; which of a query block's tiles
// live; their scores again, and from them weights and slopes.  Included by the backward kernel only.
#pragma once
#include "qkv/attention/block_tiles.h"
#include "qkv/attention/link_choice.h"
#include "qkv/attention/query_packing.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr int pitch = side + 16;

class key_scores : protected block_tiles<side> {
 protected:
  explicit key_scores(const backward_work& work)
      : block_tiles(*work.rule, work.where), w(work), kind(w.rule->similarity_form()),
        stored(stores_scores_again(*w.rule)), blind(w.rule->row().blind), k_tiles(w.scratch),
        v_tiles(k_tiles + side * w.depth), p(v_tiles + side * w.columns), ds(p + side * pitch), raw(ds + side * pitch),
        slope(raw + tile_rows * pitch) {
    take_keys(w.key_block);
    const float *const k = w.k + first_key * w.k_stride, *const v = w.v + first_key * w.v_stride;
    finite = true;
    for (int j = 0; j < key_panels; ++j) {
      const long at = j * tile_columns;
      finite &= pack_panel<tile_columns>(k + at * w.k_stride, w.k_stride, keys - at, w.depth, 1.f, k_tiles + at * w.depth);
      finite &= pack_panel<tile_columns>(v + at * w.v_stride, w.v_stride, keys - at, w.columns, 1.f, v_tiles + at * w.columns);
    }
    square_factor = -w.scale * (stored ? 1.f : log2_e);
    for (long j = 0; kind == form::distance && j < keys; ++j)
      finite &= w.key_squares[first_key + j] - w.key_squares[first_key + j] == 0;
  }
  static constexpr long scratch_floats(long depth, long columns) {
    return side * (depth + columns + 2 * pitch) + 2 * tile_rows * pitch;
  }

  /// The query block at hand.
  void begin(const packed_queries& head, long block) {
    h = &head;
    take_queries(head.head, block);
    exact = finite && head.finite[block];
  }
  static float* at_tile(float* block, int i, int j) { return block + i * tile_rows * pitch + j * tile_columns; }
  static void fill_tile(float* block, int i, int j, float x) {
    for (int r = 0; r < tile_rows; ++r)
      for (int c = 0; c < tile_columns; c += width) store(at_tile(block, i, j) + r * pitch + c, reals(x));
  }

  /// What the sums of a tile start from: 0, or for a distance -|q|^2 - |k|^2, less `from_rows`.
  template <form Kind>
  [[gnu::always_inline]] void start(int i, int j, const float* from_rows, tile_sums& s) const {
    s.start_at_minus(from_rows);
    if constexpr (Kind == form::distance) {
      const float* const of_keys = w.key_squares + first_key + j * tile_columns;
      const float* const of_rows = h->squares + first_row + i * tile_rows;
      const reals a = load(of_keys) * reals(square_factor), b = load(of_keys + width) * reals(square_factor);
#pragma GCC unroll 16
      for (int r = 0; r < tile_rows; ++r) {
        const reals of_row = of_rows[r];
        s.at[r][0] = s.at[r][0] + (of_row + a), s.at[r][1] = s.at[r][1] + (of_row + b);
      }
    }
  }
  [[gnu::always_inline]] void score_product(int i, int j, tile_sums& s) const {
    s.add_product<1, tile_rows>(h->q_tiles + (first_row + i * tile_rows) * w.depth, k_tiles + j * tile_columns * w.depth,
                                w.depth);
  }

  /// Weights of panel i in p and their slopes, by way of raw scores.  A panel at a time stays in the first-level cache.
  void weigh_panel(int i) {
    const bool rewrites = w.rule->scores() && !blind;
    for (int j = 0; j < key_panels; ++j) raw_tile(i, j);
    float* const weights = at_tile(p, i, 0);
    if (rewrites) {
      for (long n = 0; n < tile_rows * pitch; n += width) store(raw + n, load(weights + n));
      w.rule->score(panel_tile(i), weights, pitch);
    }
    mask_panel(i);
    for (int r = 0; r < tile_rows; ++r) weigh_row(i * tile_rows + r, weights + r * pitch, slope + r * pitch);
  }
  channel_tile channels(int i, int j) const {
    return {h->q_tiles + (first_row + i * tile_rows) * w.depth, tile_rows, k_tiles + j * tile_columns * w.depth,
            tile_columns, tile_rows, tile_columns, w.depth};
  }

  const backward_work& w;
  const form kind;
  const bool stored, blind;
  float *const k_tiles, *const v_tiles;           // [panel][D][tile_columns], [panel][E][tile_columns]
  float *const p, *const ds;                      // [side][pitch]
  float *const raw, *const slope;                 // [tile_rows][pitch], of the panel at hand
  bool finite, exact = true;
  float square_factor;
  const packed_queries* h = nullptr;  // of the query block at hand

 private:
  void raw_tile(int i, int j) const {
    float* const to_raw = at_tile(p, i, j);
    if (how[i][j] == dead || blind) return fill_tile(p, i, j, 0);
    if (kind == form::pairwise) return w.rule->similarities(channels(i, j), w.scale, to_raw, pitch);
    if (kind == form::distance && !exact) return distant_tile(i, j, to_raw);
    kind == form::distance ? product_tile<form::distance>(i, j, to_raw) : product_tile<form::dot>(i, j, to_raw);
  }
  template <form Kind>
  void product_tile(int i, int j, float* at) const {
    static constexpr float nothing[tile_rows] = {};
    tile_sums s;
    start<Kind>(i, j, nothing, s);
    score_product(i, j, s);
    s.store_to(at, pitch);
  }
  void distant_tile(int i, int j, float* to_raw) const {
    const float* const q = h->q_rows + first_row / side * h->side * rounded_up(w.depth, tile_columns);
    for (int r = 0; r < tile_rows; ++r)
      for (int c = 0; c < tile_columns; ++c) {
        float sum = 0;
        for (long d = 0; d < w.depth && i * tile_rows + r < rows && c < existing(j); ++d) {
          const float apart = q[d / tile_columns * h->side * tile_columns + (i * tile_rows + r) * tile_columns +
                                d % tile_columns] - w.k[(first_key + j * tile_columns + c) * w.k_stride + d];
          sum += apart * apart;
        }
        to_raw[r * pitch + c] = square_factor * sum;
      }
  }
  void mask_panel(int i) {
    for (int j = 0; j < key_panels; ++j) {
      if (how[i][j] == full) continue;
      if (how[i][j] == dead) {
        fill_tile(p, i, j, -infinity);
        continue;
      }
      alignas(64) std::int32_t truth[tile_rows * tile_columns];
      truth_of(*w.rule, tile_at(i, j), existing(j), truth);
      for (int r = 0; r < tile_rows; ++r)
        for (int c = 0; c < tile_columns; c += width) {
          float* const x = at_tile(p, i, j) + r * pitch + c;
          store(x, select(load_truth(truth + r * tile_columns + c), load(x), reals(-infinity)));
        }
    }
  }
  // Scores x become weights, and a their derivatives.
  void weigh_row(long row, float* x, float* a) {
    const long n = key_panels * tile_columns;
    const float level = h->lse[first_row + row];
    if (row >= rows) {
      for (long c = 0; c < n; c += width) store(x + c, reals(0.f)), store(a + c, reals(0.f));
      return;
    }
    if (h->cuts)
      for (long c = 0; c < n; c += width)
        store(x + c, select(within(h->cuts[first_row + row], load(x + c), first_key + c), load(x + c), reals(-infinity)));
    const normalised normal = w.rule->sum_to_one();
    if (normal == normalised::yes && w.rule->closed_form() == closed::exponential) {
      const reals unit = stored ? log2_e : 1.f, rest = h->lse_rest[first_row + row];
      for (long c = 0; c < n; c += width) {
        const reals s = load(x + c), y = ((s - reals(level)) - rest) * unit;
        const reals e = keep(!(y < reals(-126.f)) && s != reals(-infinity), exp2(y, 0));  // no link, not even in a NaN row
        store(x + c, e), store(a + c, e);
      }
    } else {
      const bool shifts = normal == normalised::yes;
      w.rule->activate(x, n, shifts ? level : 0, shifts ? w.unit_reach - h->lse_rest[first_row + row] : 0, x, a);
      if (normal != normalised::by_division) return;
      const reals part = level == -infinity ? 0.f : __builtin_expf(-level);
      for (long c = 0; c < n; c += width) store(x + c, load(x + c) * part), store(a + c, load(a + c) * part);
    }
  }
};

}  // namespace
}  // namespace qkv::QKV_INSTRUCTION_SET
