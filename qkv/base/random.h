// Random numbers as a pure function of (seed, stream, index): no generator, no state, the same on every machine
// and for any number of threads.
#pragma once
#include <array>
#include <cstdint>

namespace qkv {

/// Four random words for a counter and a key: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy
/// as 1, 2, 3").
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A stream of random numbers, addressed by index.  The four functions draw on the same bits: numbers for different
/// purposes come from different streams.
struct random_stream {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;

  std::uint32_t bits(std::uint64_t index) const;  ///< 32 random bits
  double uniform(std::uint64_t index) const;      ///< in [0, 1)
  /// Mean 0, deviation 1, by Box-Muller; its last bit is the math library's.
  double normal(std::uint64_t index) const;
  /// In [0, n), n > 0; biased by less than n / 2^64.
  std::uint64_t below(std::uint64_t index, std::uint64_t n) const;
};

}  // namespace qkv
