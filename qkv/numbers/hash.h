// A well mixed whole number from a seed and two indices; what random masks are drawn with.
#pragma once
#include <cstdint>

namespace qkv {

/// In [0, 2^30); the same on every machine and number type.
constexpr std::int64_t hash_of(std::uint64_t seed, std::int64_t a, std::int64_t b) {
  std::uint64_t x =
      seed * 0x9E3779B97F4A7C15u + std::uint64_t(a) * 0xBF58476D1CE4E5B9u + std::uint64_t(b) * 0x94D049BB133111EBu;
  for (int round = 0; round < 2; ++round) {
    x ^= x >> 31;
    x *= 0xD6E8FEB86659FD93u;
    x ^= x >> 32;
  }
  return std::int64_t(x >> 34);
}

}  // namespace qkv
