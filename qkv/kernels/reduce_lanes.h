// Sums and maxima over a row, for *_kernel.cpp files.
#pragma once
#include "qkv/kernels/partial_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {

/// The lanes that count: all, or the first few; zeros beyond.
[[gnu::always_inline]] inline lanes<float> kept(lanes<float> a, whole_lanes) { return a; }
[[gnu::always_inline]] inline lanes<float> kept(lanes<float> a, long count) {
  return keep(lanes<std::int32_t>::counting_from(0) < lanes<std::int32_t>(std::int32_t(count)), a);
}

/// Sum over i < n of f(i, part), in four interleaved sums that are joined at the end; f may return anything in the
/// lanes beyond n.
template <class F>
[[gnu::always_inline]] inline float sum_of(long n, const F& f) {
  lanes<float> s[4] = {0.f, 0.f, 0.f, 0.f};
  long i = 0;
  for (; i + 4 * width <= n; i += 4 * width)
    for (int c = 0; c < 4; ++c) s[c] = s[c] + f(i + c * width, whole_lanes{});
  for_lanes(n - i, [&](long j, auto part) { s[0] = s[0] + kept(f(i + j, part), part); });
  return sum((s[0] + s[1]) + (s[2] + s[3]));
}

/// The largest of a row; NaN if there is one; -inf for an empty row.
[[gnu::always_inline]] inline float maximum_of(const float* x, long n) {
  lanes<float> m = -__builtin_inff();
  long i = 0;
  for (; i + width <= n; i += width) {
    const lanes<float> y = load(x + i);
    m = select(y > m || y != y, y, m);  // a NaN once taken stays: nothing compares greater
  }
  float most = maximum(m);
  for (; i < n; ++i) most = x[i] > most || x[i] != x[i] ? x[i] : most;
  return most;
}

}  // namespace qkv::QKV_INSTRUCTION_SET
