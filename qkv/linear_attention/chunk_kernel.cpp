#include "qkv/linear_attention/chunk_kernel.h"

#include "qkv/kernels/reduce_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

using number = lanes<float>;

void exponentials(float* y, const float* x, float factor, long n) {
  for_lanes(n, [&](long j, auto part) { store_part(y + j, exp(number(factor) * load_part(x + j, part)), part); });
}

void scale_rows(const scaled_rows& s) {
  for (long t = 0; t < s.rows; ++t) {
    const number factor = s.by_row ? s.factor * s.by_row[t * s.by_row_stride] : s.factor;
    const float *from = s.from + t * s.from_stride, *by = s.by_element;
    float* to = s.to + t * s.to_stride;
    if (by) by += t * s.by_element_stride;
    for_lanes(s.columns, [&](long j, auto part) {
      const number x = factor * load_part(from + j, part);
      store_part(to + j, by ? x * load_part(by + j, part) : x, part);
    });
  }
}

void add_products(float* to, const float* x, const float* y, float factor, long n) {
  for_lanes(n, [&](long j, auto part) {
    const number product = number(factor) * load_part(x + j, part) * load_part(y + j, part);
    store_part(to + j, load_part(to + j, part) + product, part);
  });
}

void row_products(float* sums, const float* x, const float* y, long rows, long columns) {
  for (long t = 0; t < rows; ++t)
    sums[t] = sum_of(columns, [&](long j, auto part) {
      return load_part(x + t * columns + j, part) * load_part(y + t * columns + j, part);
    });
}

void keep_below(float* a, long rows, bool diagonal) {
  for (long t = 0; t < rows; ++t)
    for (long j = t + (diagonal ? 1 : 0); j < rows; ++j) a[t * rows + j] = 0;
}

/// Row t of w gains the rows from `first` to `end`, times a[i * stride].  Four registers at a time hide the latency of
/// the multiply-add.
[[gnu::always_inline]] inline void gain_rows(const float* a, long stride, float* w, long t, long first, long end,
                                             long columns) {
  float* to = w + t * columns;
  long j = 0;
  for (; j + 4 * width <= columns; j += 4 * width) {
    number s[4];
    for (int c = 0; c < 4; ++c) s[c] = load(to + j + c * width);
    for (long i = first; i < end; ++i)
      for (int c = 0; c < 4; ++c) s[c] = fma(number(a[i * stride]), load(w + i * columns + j + c * width), s[c]);
    for (int c = 0; c < 4; ++c) store(to + j + c * width, s[c]);
  }
  for_lanes(columns - j, [&](long k, auto part) {
    number s = load_part(to + j + k, part);
    for (long i = first; i < end; ++i) s = fma(number(a[i * stride]), load_part(w + i * columns + j + k, part), s);
    store_part(to + j + k, s, part);
  });
}

void solve(const float* a, float* w, long rows, long columns) {
  for (long t = 1; t < rows; ++t) gain_rows(a + t * rows, 1, w, t, 0, t, columns);
}

void solve_transposed(const float* a, float* w, long rows, long columns) {
  for (long t = rows - 2; t >= 0; --t) gain_rows(a + t, rows, w, t, t + 1, rows, columns);
}

}  // namespace

extern const chunk_kernel_table chunk_kernels = {exponentials, scale_rows, add_products,    row_products,
                                                 keep_below,   solve,      solve_transposed};

}  // namespace qkv::QKV_INSTRUCTION_SET
