// A whole number of the user's type as one of ours.
#pragma once
#include <concepts>
#include <limits>

namespace qkv {

/// x, or the number nearest to it that To can hold.  Always inlined: the files that use it are compiled for different
/// processors.
template <std::signed_integral To, std::integral From>
[[gnu::always_inline]] constexpr To nearest(From x) {
  if constexpr (std::unsigned_integral<From>) {
    if constexpr (sizeof(From) >= sizeof(To))
      if (x > From(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
  } else if constexpr (sizeof(From) > sizeof(To)) {
    if (x > std::numeric_limits<To>::max()) return std::numeric_limits<To>::max();
    if (x < std::numeric_limits<To>::min()) return std::numeric_limits<To>::min();
  }
  return To(x);
}

}  // namespace qkv
