// lanes<T>: numbers side by side in one SIMD register, all treated alike.  The engine evaluates a user's lambda on
// lanes<float> scores and lanes<int> places; kernels are written on them too.
//
// The same class exists once per instruction set, in a namespace of that set's name (qkv::portable, qkv::avx2,
// qkv::avx512), all from one text, lanes_of_set.h.  In a kernel file (QKV_INSTRUCTION_SET given) only that set exists and
// everything is inlined by force.  Elsewhere all sets exist in one translation unit: their functions carry the set's
// target attribute, and `widest` (widest.h) flattens a lambda into a function of that target.
//
// Three rules make one lambda mean the same thing on every number type (and when traced from Python):
//   - a comparison gives truth values, joined with && || ! (both sides are always evaluated);
//   - there is no `if` and no `?:`; select(condition, a, b) chooses;
//   - dividing whole numbers rounds down, and a % b has the sign of b; dividing by zero gives 0.
#pragma once
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "qkv/numbers/hash.h"
#include "qkv/numbers/nearest.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // lanes never cross a call that is not inlined

#define QKV_IS_portable 1
#define QKV_IS_avx2 2
#define QKV_IS_avx512 3
#define QKV_JOIN_(a, b) a##b
#define QKV_JOIN(a, b) QKV_JOIN_(a, b)
#ifdef QKV_INSTRUCTION_SET
#define QKV_ONLY QKV_JOIN(QKV_IS_, QKV_INSTRUCTION_SET)
#else
#define QKV_ONLY 0
#endif

#if QKV_ONLY == 0 || QKV_ONLY == 1
#define QKV_SET portable
#define QKV_WIDTH 4
#define QKV_LANE [[gnu::always_inline]] inline
#include "qkv/numbers/lanes_of_set.h"
#endif

#if defined(__x86_64__) && (QKV_ONLY == 0 || QKV_ONLY == 2)
#define QKV_SET avx2
#define QKV_WIDTH 8
#if QKV_ONLY == 0
#define QKV_LANE [[gnu::target("avx2,fma")]] inline
#else
#define QKV_LANE [[gnu::always_inline]] inline
#endif
#include "qkv/numbers/lanes_of_set.h"
#endif

#if defined(__x86_64__) && (QKV_ONLY == 0 || QKV_ONLY == 3)
#define QKV_SET avx512
#define QKV_WIDTH 16
#if QKV_ONLY == 0
#define QKV_LANE [[gnu::target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]] inline
#else
#define QKV_LANE [[gnu::always_inline]] inline
#endif
#include "qkv/numbers/lanes_of_set.h"
#endif

#undef QKV_ONLY
#pragma GCC diagnostic pop
