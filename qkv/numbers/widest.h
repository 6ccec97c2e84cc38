// widest(f): runs f for the instruction set in use, compiled for it, in the caller's own translation unit.
//
// GCC may inline code of a lesser target into a function of a greater one, and `flatten` makes it inline all of it, the
// user's lambda and the lanes included.  f is called as f(lane_types<Set>{}), whose members name that set's lanes.
// Where nothing is inlined (-O0, -fno-inline), only the baseline's lanes are used: wider ones would cross real calls,
// whose two sides disagree about how wide arguments are passed.
// Compiling user files with different -march instead would let the linker merge their inline functions, and the
// wide copy might win on a narrow machine.
#pragma once
#include "qkv/base/instruction_set.h"
#include "qkv/numbers/lanes.h"

namespace qkv {

struct portable_lanes {
  using real = portable::lanes<float>;
  using index = portable::lanes<std::int32_t>;
  static constexpr int width = portable::width;
};
#if defined(__x86_64__) && !defined(__NO_INLINE__)
struct avx2_lanes {
  using real = avx2::lanes<float>;
  using index = avx2::lanes<std::int32_t>;
  static constexpr int width = avx2::width;
};
struct avx512_lanes {
  using real = avx512::lanes<float>;
  using index = avx512::lanes<std::int32_t>;
  static constexpr int width = avx512::width;
};
template <class F>
[[gnu::target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"), gnu::flatten, gnu::noinline]] void under_avx512(const F& f) {
  f(avx512_lanes{});
}
template <class F>
[[gnu::target("avx2,fma"), gnu::flatten, gnu::noinline]] void under_avx2(const F& f) {
  f(avx2_lanes{});
}
#endif
template <class F>
[[gnu::flatten, gnu::noinline]] void under_portable(const F& f) {
  f(portable_lanes{});
}

template <class F>
void widest(const F& f) {
#if defined(__x86_64__) && !defined(__NO_INLINE__)
  switch (active_instruction_set()) {
    case instruction_set::avx512: return under_avx512(f);
    case instruction_set::avx2: return under_avx2(f);
    default: break;
  }
#endif
  under_portable(f);
}

}  // namespace qkv
