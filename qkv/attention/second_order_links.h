// The matrices over the links of one block of queries and one block of keys that second-order gradients are sums of:
//
//     P                              the weights again
//     U   = P (A - alpha)            how the weights move along the cotangents;   A = scale (a k' + q b')
//     dS  = P (dP - delta)           the first gradient of the scores;            dP = dout v'
//     dSS = P ((dP - delta) (A - alpha) + G - rest)   how dS moves;               G = dout g'
//
// alpha and rest are the rows' sums of U and dSS as they are while alpha and rest are still 0, which is how the first
// walk finds them; then every row of U, dS and dSS sums to 0.  Included by the second-order kernel only.
#pragma once
#include "qkv/attention/block_tiles.h"
#include "qkv/attention/second_order_packing.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr int pitch = side + 16;  // of a matrix's rows; not a power of two, for the cache's sake

class second_order_links : protected block_tiles<side> {
 protected:
  explicit second_order_links(const second_order_work& work)
      : block_tiles(*work.rule, work.where), w(work), p(w.scratch), u(p + side * pitch), ds(u + side * pitch), dss(ds + side * pitch) {}
  static constexpr long matrix_floats = 4 * side * pitch;

  query_block queries_at(const second_order_head& head, long block) const {
    return {head.queries.numbers + block * query_block::floats(w.depth, w.columns), w.depth, w.columns};
  }
  key_block keys_at(long block) const {
    return {w.keys.numbers + block * key_block::floats(w.depth, w.columns), w.depth, w.columns};
  }

  /// The four matrices of these blocks, 0 where there is no link.  False: no link lives, and nothing is written.
  bool take(const second_order_head& head, long of_queries, long of_keys, bool block_is_full) {
    take_queries(head.number, of_queries);
    take_keys(of_keys);
    exact = head.queries.finite[of_queries] && w.keys.finite[of_keys];
    if (!classify(block_is_full)) return false;
    const query_block q = queries_at(head, of_queries);
    const key_block k = keys_at(of_keys);
    for (int j = 0; j < key_panels; ++j)
      for (int i = 0; i < query_panels; ++i) {
        if (how[i][j] == dead) clear_tile(i, j);
        else weigh_tile(q, k, i, j);
      }
    return true;
  }

  const second_order_work& w;
  float *const p, *const u, *const ds, *const dss;  // [side][pitch]
  bool exact = true;  // neither NaN nor infinity in what was packed

 private:
  void clear_tile(int i, int j) const {
    for (float* matrix : {p, u, ds, dss})
      for (int r = 0; r < tile_rows; ++r)
        for (int c = 0; c < tile_columns; c += width) store(place(matrix, i, j, r, c), reals(0.f));
  }
  static float* place(float* matrix, int i, int j, int r, int c) {
    return matrix + (i * tile_rows + r) * pitch + j * tile_columns + c;
  }

  void weigh_tile(const query_block& q, const key_block& k, int i, int j) const {
    const float* const q_tile = q.tiles + i * tile_rows * 2 * w.depth;
    const float* const d_tile = q.d_tiles + i * tile_rows * w.columns;
    const float* const k_tile = k.tiles + j * tile_columns * 2 * w.depth;
    weights(q, q_tile, k_tile + w.depth * tile_columns, i, j);
    tile_sums s;
    s.start_at_minus(q.delta + i * tile_rows);
    s.add_product<1, tile_rows>(d_tile, k.v_tiles + j * tile_columns * w.columns, w.columns);
    s.store_to(place(ds, i, j, 0, 0), pitch);
    s.fill(0.f);
    s.add_product<1, tile_rows>(q_tile, k_tile, 2 * w.depth);
    s.store_to(place(u, i, j, 0, 0), pitch);
    s.start_at_minus(q.rest + i * tile_rows);
    s.add_product<1, tile_rows>(d_tile, k.g_tiles + j * tile_columns * w.columns, w.columns);
    for (int r = 0; r < tile_rows; ++r)
      for (int half = 0; half < 2; ++half) {
        const int c = half * width;
        const reals weight = load(place(p, i, j, r, c)), apart = load(place(ds, i, j, r, c));
        const reals moved = fma(load(place(u, i, j, r, c)), reals(ln_2), -reals(q.alpha[i * tile_rows + r]));
        const auto exists = weight != reals(0.f);  // what has no weight leaves no trace, even of NaN
        store(place(u, i, j, r, c), keep(exists, weight * moved));
        store(place(ds, i, j, r, c), keep(exists, weight * apart));
        store(place(dss, i, j, r, c), keep(exists, weight * fma(apart, moved, s.at[r][half])));
      }
  }
  // P, 0 where there is no link: neither by the mask nor by a score of -infinity.
  void weights(const query_block& q, const float* q_tile, const float* k_tile, int i, int j) const {
    // The sums start at the small part of -lse; the large part is taken off at the end, where it costs one rounding
    // instead of D.
    tile_sums s;
    s.start_at_minus(q.lse_rest + i * tile_rows);
    s.add_product<1, tile_rows>(q_tile, k_tile, w.depth);
    alignas(64) std::int32_t truth[tile_rows * tile_columns];
    if (how[i][j] == part) truth_of(*w.rule, tile_at(i, j), existing(j), truth);
    for (int r = 0; r < tile_rows; ++r)
      for (int half = 0; half < 2; ++half) {
        const int c = half * width;
        const reals score = s.at[r][half], y = score - reals(q.lse[i * tile_rows + r]);
        reals weight = keep(!(y < reals(-126.f)) && score != reals(-infinity), exp2(y, 0));
        if (how[i][j] == part) weight = keep(load_truth(truth + r * tile_columns + c), weight);
        store(place(p, i, j, r, c), weight);
      }
  }
};

}  // namespace
}  // namespace qkv::QKV_INSTRUCTION_SET
