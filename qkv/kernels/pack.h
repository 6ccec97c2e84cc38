// Packing of a matrix into panels; for *_kernel.cpp files.
//
//   panel[k][j] = source[k * depth_stride + j * line_stride]     j < lines <= Lines, zeros beyond
//
// Columns of B and rows of A are both "lines" here.
#pragma once
#include "qkv/kernels/partial_lanes.h"
#include "qkv/kernels/tile_product.h"

namespace qkv::QKV_INSTRUCTION_SET {

/// Exchanges rows and columns of a square of numbers in registers: in step s, blocks of s x s change sides.
struct square {
  float_vector row[width];

  template <int S>
  [[gnu::always_inline]] void exchange_blocks() {
    int_vector low, high;
    for (int n = 0; n < width; ++n) {
      low[n] = (n & S) == 0 ? n : n - S + width;
      high[n] = (n & S) == 0 ? n + S : n + width;
    }
#pragma GCC unroll 16
    for (int i = 0; i < width; ++i)
      if ((i & S) == 0) {
        const float_vector a = row[i], b = row[i + S];
        row[i] = __builtin_shuffle(a, b, low);
        row[i + S] = __builtin_shuffle(a, b, high);
      }
    if constexpr (S > 1) exchange_blocks<S / 2>();
  }
  [[gnu::always_inline]] void transpose() { exchange_blocks<width / 2>(); }
};

/// Lines that are contiguous along the depth: squares of width x width are transposed in registers.
template <int Lines>
[[gnu::always_inline]] inline void pack_transposed(const float* source, long line_stride, long depth, long lines,
                                                   float* panel) {
  for (long first = 0; first < Lines; first += width) {
    const long kept = Lines - first < width ? Lines - first : width;  // what the panel has room for
    for (long k = 0; k < depth; k += width) {
      const long steps = depth - k < width ? depth - k : width;
      square s;
#pragma GCC unroll 16
      for (int i = 0; i < width; ++i) {
        const float* line = source + (first + i) * line_stride + k;
        if (first + i >= lines || i >= kept)
          s.row[i] = float_vector{};
        else
          s.row[i] = (steps == width ? load(line) : load_part(line, steps)).v;
      }
      s.transpose();
      float* to = panel + k * Lines + first;
      if (steps == width && kept == width) {
#pragma GCC unroll 16
        for (int i = 0; i < width; ++i) store(to + i * Lines, lanes<float>(s.row[i]));
      } else {
        for (int i = 0; i < steps; ++i) store_part(to + i * Lines, lanes<float>(s.row[i]), kept);
      }
    }
  }
}

/// Lines side by side: every step of depth is a copy.  All panels take their part of a step before the next one is
/// read, so that memory is read in long rows.
template <int Lines>
[[gnu::always_inline]] inline void pack_copied(const float* source, long depth_stride, long depth, long lines,
                                               float* panels) {
  const long whole = lines / Lines, left = lines - whole * Lines;
  for (long k = 0; k < depth; ++k) {
    const float* from = source + k * depth_stride;
    float* to = panels + k * Lines;
    for (long p = 0; p < whole; ++p, from += Lines, to += depth * Lines)
      __builtin_memcpy(to, from, Lines * sizeof(float));
    if (left > 0)
      for (long j = 0; j < Lines; ++j) to[j] = j < left ? from[j] : 0.f;
  }
}

template <int Lines>
[[gnu::always_inline]] inline void pack_any(const float* source, long depth_stride, long line_stride, long depth,
                                            long lines, float* panel) {
  for (long k = 0; k < depth; ++k)
    for (long j = 0; j < Lines; ++j)
      panel[k * Lines + j] = j < lines ? source[k * depth_stride + j * line_stride] : 0.f;
}

/// `lines` lines to as many panels as they take, one after the other, each [depth][Lines].
template <int Lines>
[[gnu::always_inline]] inline void pack_lines(const float* source, long depth_stride, long line_stride, long depth,
                                              long lines, float* panels) {
  if (line_stride == 1) return pack_copied<Lines>(source, depth_stride, depth, lines, panels);
  for (long j = 0; j < lines; j += Lines) {
    const long here = lines - j < Lines ? lines - j : Lines;
    if (depth_stride == 1)
      pack_transposed<Lines>(source + j * line_stride, line_stride, depth, here, panels + j * depth);
    else
      pack_any<Lines>(source + j * line_stride, depth_stride, line_stride, depth, here, panels + j * depth);
  }
}

inline void pack_columns(const float* b, long depth_stride, long column_stride, long depth, long columns,
                         float* panels) {
  pack_lines<tile_columns>(b, depth_stride, column_stride, depth, columns, panels);
}
inline void pack_rows(const float* a, long row_stride, long depth_stride, long depth, long rows, float* panels) {
  pack_lines<tile_rows>(a, depth_stride, row_stride, depth, rows, panels);
}

}  // namespace qkv::QKV_INSTRUCTION_SET
