// How the backward pass packs its queries once, for all key blocks, and collects dQ.  Included by its kernel only.
#pragma once
#include "qkv/attention/backward_kernel.h"
#include "qkv/attention/packing.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr float log2_e = 1.4426950408889634f, infinity = __builtin_inff();
constexpr int side = backward_side;

float dot_of(const float* a, const float* b, long n) {
  reals total = 0.f;
  long e = 0;
  for (; e + width <= n; e += width) total = fma(load(a + e), load(b + e), total);
  float dot = sum(total);
  for (; e < n; ++e) dot += a[e] * b[e];
  return dot;
}

void pack_queries(const packing_work& w) {
  const long depth = rounded_up(w.depth, tile_columns), columns = rounded_up(w.columns, tile_columns);
  const long first = w.block * side, padded = rounded_up(w.rows, tile_rows);
  const form kind = w.rule->similarity_form();
  const float unit = stores_scores_again(*w.rule) ? 1.f : log2_e;
  const float factor = kind == form::pairwise ? 1.f : kind == form::distance ? 2 * w.scale * unit : w.scale * unit;
  const bool softmax = w.rule->sum_to_one() == normalised::yes && w.rule->closed_form() == closed::exponential;
  const bool mean_of_output = softmax || w.rule->sum_to_one() == normalised::by_division;
  bool finite = true;
  for (long i = 0; i < w.rows; i += tile_rows) {
    finite &= pack_panel<tile_rows>(w.q + i * w.q_stride, w.q_stride, w.rows - i, w.depth, factor,
                                    w.to.q_tiles + (first + i) * w.depth);
    finite &= pack_panel<tile_rows>(w.dout + i * w.dout_stride, w.dout_stride, w.rows - i, w.columns, 1.f,
                                    w.to.d_tiles + (first + i) * w.columns);
  }
  pack_rows(w.q, w.q_stride, w.rows, padded, w.depth, 1.f, w.to.q_rows + first * depth, w.to.side * tile_columns);
  pack_rows(w.dout, w.dout_stride, w.rows, padded, w.columns, 1.f, w.to.d_rows + first * columns, w.to.side * tile_columns);
  for (long i = 0; i < padded; ++i) {
    float delta = 0;
    double lse = 0;
    if (i < w.rows) {
      const float *const a = w.out + i * w.out_stride, *const b = w.dout + i * w.dout_stride;
      if (mean_of_output) delta = dot_of(a, b, w.columns);
      lse = double(w.lse[i * w.lse_stride]) * (softmax && unit != 1 ? 1.4426950408889634 : 1);
      if (softmax && lse == double(-infinity)) lse = double(infinity);  // a row without a link: its weights are 2^-infinity
    }
    w.to.squares[first + i] = kind == form::distance && i < w.rows ? -w.scale * unit * w.query_squares[i] : 0;
    finite &= w.to.squares[first + i] - w.to.squares[first + i] == 0;
    w.to.delta[first + i] = delta;
    w.to.lse[first + i] = float(lse);
    w.to.lse_rest[first + i] = lse - lse != 0 ? 0.f : float(lse - double(float(lse)));
    finite &= delta - delta == 0;
  }
  w.to.finite[w.block] = finite;
}

void unpack_dq(const float* packed, long partitions, long stride, long rows, long depth, float* dq, long dq_stride) {
  const long all = rounded_up(depth, tile_columns);
  for (long i = 0; i < rows; ++i) {
    const float* const from = packed + packed_row(i, all);
    float* const to = dq + i * dq_stride;
    unpack_row(from, depth, 1.f, to);
    for (long n = 1; n < partitions; ++n)
      for (long c = 0; c < depth; ++c)
        to[c] += from[n * stride + packed_place(0, c, all)];
  }
}

}  // namespace
}  // namespace qkv::QKV_INSTRUCTION_SET
