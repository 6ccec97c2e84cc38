// Packing: strided rows into the panels that the tile product reads.  Included by kernels only.
// Each returns whether every number packed was finite.
#pragma once
#include "qkv/kernels/tile_product.h"

namespace qkv::QKV_INSTRUCTION_SET {

using reals = lanes<float>;
typedef float four __attribute__((vector_size(16)));
typedef std::int32_t four_places __attribute__((vector_size(16)));

// Transposes 4 x 4 numbers.
[[gnu::always_inline]] inline void transpose_four(four (&r)[4]) {
  const four a = __builtin_shuffle(r[0], r[1], four_places{0, 4, 1, 5}), b = __builtin_shuffle(r[0], r[1], four_places{2, 6, 3, 7});
  const four c = __builtin_shuffle(r[2], r[3], four_places{0, 4, 1, 5}), d = __builtin_shuffle(r[2], r[3], four_places{2, 6, 3, 7});
  r[0] = __builtin_shuffle(a, c, four_places{0, 1, 4, 5});
  r[1] = __builtin_shuffle(a, c, four_places{2, 3, 6, 7});
  r[2] = __builtin_shuffle(b, d, four_places{0, 1, 4, 5});
  r[3] = __builtin_shuffle(b, d, four_places{2, 3, 6, 7});
}

/// One panel of Side rows, depth-major: to[d * Side + r] = factor * from[r * stride + d]; rows past `rows` become 0.
template <int Side>
inline bool pack_panel(const float* from, long stride, long rows, long depth, float factor, float* to) {
  static_assert(Side % 2 == 0);
  four odd = {};  // stays 0 as long as all is finite: x - x is 0 or NaN
  float odd_rest = 0;
  for (int r = 0; r < Side; r += 4) {
    constexpr unsigned whole = sizeof(four);
    const unsigned bytes = Side - r < 4 ? whole / 2 : whole;  // what the panel has room for
    long d = 0;
    for (; d + 4 <= depth; d += 4) {
      four x[4] = {};
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i)
        if (r + i < rows && r + i < Side) __builtin_memcpy(&x[i], from + (r + i) * stride + d, whole), odd += x[i] - x[i];
      transpose_four(x);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const four y = x[i] * factor;
        if (bytes == whole) __builtin_memcpy(to + (d + i) * Side + r, &y, whole);
        else __builtin_memcpy(to + (d + i) * Side + r, &y, whole / 2);
      }
    }
    for (; d < depth; ++d)
      for (int i = r; i < r + 4 && i < Side; ++i) {
        const float x = i < rows ? from[i * stride + d] : 0.f;
        odd_rest += x - x;
        to[d * Side + i] = x * factor;
      }
  }
  return odd[0] + odd[1] + odd[2] + odd[3] + odd_rest == 0;
}

/// Rows in column panels: to[panel * panel_stride + r * tile_columns + c]; columns past `columns` and rows past `rows`
/// (up to `padded_rows`) become 0.
inline bool pack_rows(const float* from, long stride, long rows, long padded_rows, long columns, float factor, float* to,
                      long panel_stride) {
  reals odd = 0.f;
  float odd_rest = 0;
  for (long c = 0; c < columns; c += tile_columns, to += panel_stride)
    for (long r = 0; r < padded_rows; ++r) {
      float* const row = to + r * tile_columns;
      if (r < rows && c + tile_columns <= columns) {
        const reals a = load(from + r * stride + c), b = load(from + r * stride + c + width);
        odd = odd + ((a - a) + (b - b));
        store(row, a * reals(factor));
        store(row + width, b * reals(factor));
        continue;
      }
      for (int i = 0; i < tile_columns; ++i) {
        const float x = r < rows && c + i < columns ? from[r * stride + c + i] : 0.f;
        odd_rest += x - x;
        row[i] = x * factor;
      }
    }
  return sum(odd) + odd_rest == 0;
}

/// Where row r of a packed result [row panel][column panel][tile_rows][tile_columns] begins.
constexpr long packed_row(long r, long padded_columns) {
  return r / tile_rows * tile_rows * padded_columns + r % tile_rows * tile_columns;
}
/// Where its column c is.
constexpr long packed_place(long r, long c, long padded_columns) {
  return packed_row(r, padded_columns) + c / tile_columns * tile_rows * tile_columns + c % tile_columns;
}
/// One such row, back to a dense one: to[c] = factor * its columns.
inline void unpack_row(const float* from, long columns, float factor, float* to) {
  constexpr long panel_stride = tile_rows * tile_columns;
  long c = 0;
  for (; c + tile_columns <= columns; c += tile_columns, from += panel_stride) {
    store(to + c, load(from) * reals(factor));
    store(to + c + width, load(from + width) * reals(factor));
  }
  for (long i = 0; c + i < columns; ++i) to[c + i] = factor * from[i];
}

constexpr long rounded_up(long x, long to) { return (x + to - 1) / to * to; }

}  // namespace qkv::QKV_INSTRUCTION_SET
