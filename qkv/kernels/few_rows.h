// A few rows against a matrix that is read in place, once: c[m][n] = sum_k a[m][k] w[n][k].  For *_kernel.cpp files.
// The time is that of reading w from memory, so nothing is packed; four lines of w are read at a time.
#pragma once
#include "qkv/kernels/product_epilogue.h"

namespace qkv::QKV_INSTRUCTION_SET {

/// The products of Rows rows of a with Lines lines of w, to sums[Rows][Lines].
template <int Rows, int Lines>
[[gnu::always_inline]] inline void dot_products(const float* __restrict a, long a_stride, const float* __restrict w,
                                                long w_stride, long depth, float* sums, long sums_stride) {
  lanes<float> s[Rows][Lines];
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m)
#pragma GCC unroll 16
    for (int n = 0; n < Lines; ++n) s[m][n] = 0.f;
  for_lanes(
      depth, [&](long k, auto part) __attribute__((always_inline)) {
        lanes<float> x[Rows];
#pragma GCC unroll 16
        for (int m = 0; m < Rows; ++m) x[m] = load_part(a + m * a_stride + k, part);
#pragma GCC unroll 16
        for (int n = 0; n < Lines; ++n) {
          const lanes<float> y = load_part(w + n * w_stride + k, part);
#pragma GCC unroll 16
          for (int m = 0; m < Rows; ++m) s[m][n] = fma(x[m], y, s[m][n]);
        }
      });
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m)
#pragma GCC unroll 16
    for (int n = 0; n < Lines; ++n) sums[m * sums_stride + n] = sum(s[m][n]);
}

template <int Lines>
inline void dot_products_of_rows(const float* a, long a_stride, const float* w, long w_stride, long depth, long rows,
                                 float* sums, long sums_stride) {
  long m = 0;
  for (; m + 2 <= rows; m += 2)
    dot_products<2, Lines>(a + m * a_stride, a_stride, w, w_stride, depth, sums + m * sums_stride, sums_stride);
  if (m < rows)
    dot_products<1, Lines>(a + m * a_stride, a_stride, w, w_stride, depth, sums + m * sums_stride, sums_stride);
}

inline void few_rows(const float* a, long a_stride, const float* w, long w_stride, float* c, long c_stride, long rows,
                     long columns, long depth, bool add, const product_epilogue& epilogue) {
  constexpr long most_rows = 16, block = 32;
  alignas(64) float sums[most_rows * block];
  for (long m0 = 0; m0 < rows; m0 += most_rows) {
    const long m = rows - m0 < most_rows ? rows - m0 : most_rows;
    for (long n0 = 0; n0 < columns; n0 += block) {
      const long here = columns - n0 < block ? columns - n0 : block;
      long n = 0;
      for (; n + 4 <= here; n += 4)
        dot_products_of_rows<4>(a + m0 * a_stride, a_stride, w + (n0 + n) * w_stride, w_stride, depth, m, sums + n,
                                block);
      for (; n < here; ++n)
        dot_products_of_rows<1>(a + m0 * a_stride, a_stride, w + (n0 + n) * w_stride, w_stride, depth, m, sums + n,
                                block);
      float* to = c + m0 * c_stride + n0;
      if (add)
        for (long i = 0; i < m; ++i)
          for (long j = 0; j < here; ++j) sums[i * block + j] += to[i * c_stride + j];
      finish(sums, block, to, c_stride, m, here, at_element(epilogue, m0, n0));
    }
  }
}

}  // namespace qkv::QKV_INSTRUCTION_SET
