// The micro-kernel under every matrix product of qkv: a tile of C stays in registers while A and B stream by.
// Include it in *_kernel.cpp files only.
//
//   C[tile_rows, tile_columns] += A[tile_rows, depth] B[depth, tile_columns]
//
// A is read one number at a time and broadcast; B is packed in panels of tile_columns, two registers wide.
// Twelve independent sums (AVX2) hide the latency of the multiply-add, as in Goto & van de Geijn 2008,
// "Anatomy of high-performance matrix multiplication", and BLIS.
#pragma once
#include "qkv/numbers/lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {

using real = lanes<float>;

#if defined(__AVX512F__)
inline constexpr int tile_rows = 12;
#elif defined(__AVX2__)
inline constexpr int tile_rows = 6;
#else
inline constexpr int tile_rows = 4;
#endif
inline constexpr int tile_columns = 2 * width;

/// The sums of one tile, in registers.
struct tile_sums {
  real at[tile_rows][2];

  [[gnu::always_inline]] void fill(real x) {
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) at[i][0] = at[i][1] = x;
  }
  /// Row i starts at -from[i].
  [[gnu::always_inline]] void start_at_minus(const float* from) {
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) at[i][0] = at[i][1] = -real(from[i]);
  }
  [[gnu::always_inline]] void load_from(const float* c, long row_stride) {
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) at[i][0] = load(c + i * row_stride), at[i][1] = load(c + i * row_stride + width);
  }
  [[gnu::always_inline]] void store_to(float* c, long row_stride) const {
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) store(c + i * row_stride, at[i][0]), store(c + i * row_stride + width, at[i][1]);
  }

  /// += A B, one step of depth.  A's element of row i is a[i * RowStride].
  template <int RowStride>
  [[gnu::always_inline]] void step(const float* a, const float* b) {
    const real b0 = load(b), b1 = load(b + width);
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) {
      const real x = a[i * RowStride];
      at[i][0] = fma(x, b0, at[i][0]);
      at[i][1] = fma(x, b1, at[i][1]);
    }
  }
  /// += A B over `depth`.  A's element (i, d) is a[i * RowStride + d * DepthStride]; B's row d starts at
  /// b + d * tile_columns.
  template <int RowStride, int DepthStride>
  [[gnu::always_inline]] void add_product(const float* __restrict a, const float* __restrict b, long depth) {
    long d = 0;
    for (; d + 2 <= depth; d += 2) {
      step<RowStride>(a, b);
      step<RowStride>(a + DepthStride, b + tile_columns);
      a += 2 * DepthStride;
      b += 2 * tile_columns;
    }
    if (d < depth) step<RowStride>(a, b);
  }
};

}  // namespace qkv::QKV_INSTRUCTION_SET
