// The micro-kernel under every matrix product of qkv: a tile of C stays in registers while A and B stream by.
// Include it in *_kernel.cpp files only.
//
//   C[Rows, tile_columns] += A[Rows, depth] B[depth, tile_columns]          Rows = tile_rows, fewer at the lower edge
//
// A is read one number at a time and broadcast; B is packed in panels of tile_columns, two registers wide.
// Twelve independent sums (AVX2) hide the latency of the multiply-add, as in Goto & van de Geijn 2008,
// "Anatomy of high-performance matrix multiplication", and BLIS.
#pragma once
#include "qkv/numbers/lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {

#if defined(__AVX512F__)
inline constexpr int tile_rows = 12;
#elif defined(__AVX2__)
inline constexpr int tile_rows = 6;
#else
inline constexpr int tile_rows = 4;
#endif
inline constexpr int tile_columns = 2 * width;

/// The sums of one tile, in registers.
template <int Rows>
struct tile_sums_of {
  lanes<float> at[Rows][2];

  [[gnu::always_inline]] void fill(lanes<float> x) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) at[i][0] = at[i][1] = x;
  }
  /// Row i starts at -from[i].
  [[gnu::always_inline]] void start_at_minus(const float* from) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) at[i][0] = at[i][1] = -lanes<float>(from[i]);
  }
  [[gnu::always_inline]] void load_from(const float* c, long row_stride) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) at[i][0] = load(c + i * row_stride), at[i][1] = load(c + i * row_stride + width);
  }
  [[gnu::always_inline]] void store_to(float* c, long row_stride) const {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) store(c + i * row_stride, at[i][0]), store(c + i * row_stride + width, at[i][1]);
  }

  /// += A B over `depth`.  A's element (i, d) is a[i * row_stride + d * depth_stride]; B's row d starts at
  /// b + d * tile_columns.  Strides that are constants make the fastest code.
  [[gnu::always_inline]] void add_product(const float* __restrict a, long row_stride, long depth_stride,
                                          const float* __restrict b, long depth) {
    rows_of_a rows(a, row_stride);
    long d = 0;
    for (; d + 2 <= depth; d += 2) {
      step(rows, b);
      rows.advance(depth_stride);
      step(rows, b + tile_columns);
      rows.advance(depth_stride);
      b += 2 * tile_columns;
    }
    if (d < depth) step(rows, b);
  }
  template <int RowStride, int DepthStride>
  [[gnu::always_inline]] void add_product(const float* __restrict a, const float* __restrict b, long depth) {
    add_product(a, RowStride, DepthStride, b, depth);
  }

 private:
  /// Where A's rows are: a pointer for every third one, so that each address is pointer + stride * {0, 1, 2} and the
  /// loop computes none.  The compiler, left alone, keeps one offset a row, on the stack.
  struct rows_of_a {
    static constexpr int pointers = (Rows + 2) / 3;
    const float* every_third[pointers];
    long stride;
    [[gnu::always_inline]] rows_of_a(const float* a, long row_stride) : stride(row_stride) {
      for (int p = 0; p < pointers; ++p) every_third[p] = a + 3 * p * row_stride;
      if (!__builtin_constant_p(row_stride))
        for (int p = 0; p < pointers; ++p) asm("" : "+r"(every_third[p]));  // hides how the pointers are related
    }
    [[gnu::always_inline]] void advance(long by) {
      for (int p = 0; p < pointers; ++p) every_third[p] += by;
    }
    [[gnu::always_inline]] float operator[](int i) const { return every_third[i / 3][i % 3 * stride]; }
  };

  [[gnu::always_inline]] void step(const rows_of_a& a, const float* b) {
    const lanes<float> b0 = load(b), b1 = load(b + width);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const lanes<float> x = a[i];
      at[i][0] = fma(x, b0, at[i][0]);
      at[i][1] = fma(x, b1, at[i][1]);
    }
  }
};

using tile_sums = tile_sums_of<tile_rows>;

}  // namespace qkv::QKV_INSTRUCTION_SET
