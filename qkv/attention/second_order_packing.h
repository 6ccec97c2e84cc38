// How the second-order kernel packs a block of queries and a block of keys, each once for all walks.
// Included by its kernel only.
//
// A and the scores share one product: with rows [q | a] of queries and [b | k] of keys, 2 D channels each,
// a.k + q.b is the product over all of them, and q.k that of the queries' first half and the keys' second.
#pragma once
#include "qkv/attention/packing.h"
#include "qkv/attention/second_order_kernel.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr float log2_e = 1.4426950408889634f, ln_2 = 0.6931471805599453f, infinity = __builtin_inff();
constexpr int side = second_order_side;

/// What a block of queries holds, and where.
struct query_block {
  float* tiles;            // [panel][q | a: 2 D][tile_rows], times scale log2(e)
  float *q_rows, *a_rows;  // [column panel][side][tile_columns]
  float* d_tiles;          // dout: [panel][E][tile_rows]
  float* d_rows;           // [column panel][side][tile_columns]
  float *lse, *lse_rest;   // in units of log 2; +infinity for a row without a link; and what fp32 cut off
  float* delta;            // dout . out
  float *alpha, *rest;     // sums of P A and of P ((dP - delta) A + G), 0 until the query walk has found them

  query_block(float* at, long depth, long columns) {
    const long padded_depth = rounded_up(depth, tile_columns), padded_columns = rounded_up(columns, tile_columns);
    tiles = at;
    q_rows = tiles + side * 2 * depth, a_rows = q_rows + side * padded_depth;
    d_tiles = a_rows + side * padded_depth, d_rows = d_tiles + side * columns;
    lse = d_rows + side * padded_columns, lse_rest = lse + side, delta = lse_rest + side;
    alpha = delta + side, rest = alpha + side;
  }
  static long floats(long depth, long columns) {
    return side * (2 * depth + 2 * rounded_up(depth, tile_columns) + columns + rounded_up(columns, tile_columns) + 5);
  }
};

/// What a block of keys holds, and where.
struct key_block {
  float* tiles;               // [panel][b | k: 2 D][tile_columns]
  float *k_rows, *b_rows;     // [column panel][side][tile_columns]
  float *v_tiles, *g_tiles;   // [panel][E][tile_columns]
  float *v_rows, *g_rows;     // [column panel][side][tile_columns]

  key_block(float* at, long depth, long columns) {
    const long padded_depth = rounded_up(depth, tile_columns), padded_columns = rounded_up(columns, tile_columns);
    tiles = at;
    k_rows = tiles + side * 2 * depth, b_rows = k_rows + side * padded_depth;
    v_tiles = b_rows + side * padded_depth, g_tiles = v_tiles + side * columns;
    v_rows = g_tiles + side * columns, g_rows = v_rows + side * padded_columns;
  }
  static long floats(long depth, long columns) {
    return side * 2 * (depth + rounded_up(depth, tile_columns) + columns + rounded_up(columns, tile_columns));
  }
};

template <int Side>
bool pack_panel_of(const rows_to_pack& x, long from, long rows, long depth, float factor, float* to) {
  if (!x.first) return pack_panel<Side>(nullptr, 0, 0, depth, factor, to);
  return pack_panel<Side>(x.first + from * x.stride, x.stride, rows - from, depth, factor, to);
}
bool pack_rows_of(const rows_to_pack& x, long rows, long padded_rows, long columns, float* to) {
  return pack_rows(x.first, x.stride, x.first ? rows : 0, padded_rows, columns, 1.f, to, side * tile_columns);
}

float dot_of(const float* a, const float* b, long n) {
  reals total = 0.f;
  long e = 0;
  for (; e + width <= n; e += width) total = fma(load(a + e), load(b + e), total);
  float dot = sum(total);
  for (; e < n; ++e) dot += a[e] * b[e];
  return dot;
}

void pack_queries(const second_order_queries& w) {
  const query_block to(w.to.numbers, w.depth, w.columns);
  const long padded = rounded_up(w.rows, tile_rows);
  const float factor = w.scale * log2_e;
  bool finite = true;
  for (long i = 0; i < w.rows; i += tile_rows) {
    float* const panel = to.tiles + i * 2 * w.depth;
    finite &= pack_panel_of<tile_rows>(w.q, i, w.rows, w.depth, factor, panel);
    finite &= pack_panel_of<tile_rows>(w.a, i, w.rows, w.depth, factor, panel + w.depth * tile_rows);
    finite &= pack_panel_of<tile_rows>(w.dout, i, w.rows, w.columns, 1.f, to.d_tiles + i * w.columns);
  }
  pack_rows_of(w.q, w.rows, padded, w.depth, to.q_rows);
  pack_rows_of(w.a, w.rows, padded, w.depth, to.a_rows);
  pack_rows_of(w.dout, w.rows, padded, w.columns, to.d_rows);
  for (long i = 0; i < padded; ++i) {
    double lse = i < w.rows ? double(w.lse.first[i * w.lse.stride]) * 1.4426950408889634 : 0;
    if (lse == double(-infinity)) lse = double(infinity);  // a row without a link: its weights are 2^-infinity
    to.lse[i] = float(lse);
    to.lse_rest[i] = lse - lse != 0 ? 0.f : float(lse - double(float(lse)));
    to.delta[i] = i < w.rows ? dot_of(w.out.first + i * w.out.stride, w.dout.first + i * w.dout.stride, w.columns) : 0;
    finite &= to.delta[i] - to.delta[i] == 0;
    to.alpha[i] = to.rest[i] = 0;
  }
  *w.to.finite = finite;
}

void pack_keys(const second_order_keys& w) {
  const key_block to(w.to.numbers, w.depth, w.columns);
  const long padded = rounded_up(w.rows, tile_columns);
  bool finite = true;
  for (long j = 0; j < w.rows; j += tile_columns) {
    float* const panel = to.tiles + j * 2 * w.depth;
    finite &= pack_panel_of<tile_columns>(w.b, j, w.rows, w.depth, 1.f, panel);
    finite &= pack_panel_of<tile_columns>(w.k, j, w.rows, w.depth, 1.f, panel + w.depth * tile_columns);
    finite &= pack_panel_of<tile_columns>(w.v, j, w.rows, w.columns, 1.f, to.v_tiles + j * w.columns);
    finite &= pack_panel_of<tile_columns>(w.g, j, w.rows, w.columns, 1.f, to.g_tiles + j * w.columns);
  }
  pack_rows_of(w.k, w.rows, padded, w.depth, to.k_rows);
  pack_rows_of(w.b, w.rows, padded, w.depth, to.b_rows);
  pack_rows_of(w.v, w.rows, padded, w.columns, to.v_rows);
  pack_rows_of(w.g, w.rows, padded, w.columns, to.g_rows);
  *w.to.finite = finite;
}

}  // namespace
}  // namespace qkv::QKV_INSTRUCTION_SET
