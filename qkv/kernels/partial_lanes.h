// Loads and stores of fewer numbers than a register holds, at the ends of rows; for *_kernel.cpp files.
#pragma once
#include "qkv/numbers/lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {

/// The first `count` numbers, then zeros; reads nothing beyond them.
[[gnu::always_inline]] inline lanes<float> load_part(const float* p, long count) {
#if defined(__AVX512F__)
  return lanes<float>(_mm512_maskz_loadu_ps(__mmask16(count < 16 ? (1u << count) - 1 : 0xFFFFu), p));
#else
  float x[width] = {};
  for (long i = 0; i < count && i < width; ++i) x[i] = p[i];
  return load(x);
#endif
}
/// Stores the first `count` lanes.
[[gnu::always_inline]] inline void store_part(float* p, lanes<float> a, long count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, __mmask16(count < 16 ? (1u << count) - 1 : 0xFFFFu), a.v);
#else
  float x[width];
  store(x, a);
  for (long i = 0; i < count && i < width; ++i) p[i] = x[i];
#endif
}

/// Calls body(i, count) for i = 0, width, 2 width, ... below n, count being std::integral_constant-like `whole_lanes`
/// for full registers and the number left for the last.
struct whole_lanes {};
[[gnu::always_inline]] inline lanes<float> load_part(const float* p, whole_lanes) { return load(p); }
[[gnu::always_inline]] inline void store_part(float* p, lanes<float> a, whole_lanes) { store(p, a); }

template <class Body>
[[gnu::always_inline]] inline void for_lanes(long n, const Body& body) {
  long i = 0;
  for (; i + width <= n; i += width) body(i, whole_lanes{});
  if (i < n) body(i, n - i);
}

}  // namespace qkv::QKV_INSTRUCTION_SET
