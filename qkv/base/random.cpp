#include "qkv/base/random.h"

#include <cmath>
#include <numbers>

namespace qkv {
namespace {

__extension__ using uint128 = unsigned __int128;

std::uint32_t low(std::uint64_t x) { return std::uint32_t(x); }
std::uint32_t high(std::uint64_t x) { return std::uint32_t(x >> 32); }

std::array<std::uint32_t, 4> block_of(const random_stream& s, std::uint64_t block) {
  return philox({low(block), high(block), low(s.stream), high(s.stream)}, {low(s.seed), high(s.seed)});
}

/// A block of four words holds two numbers of 64 bits.
std::uint64_t bits64(const random_stream& s, std::uint64_t index) {
  const auto words = block_of(s, index / 2);
  const auto first = index % 2 * 2;
  return std::uint64_t(words[first]) << 32 | words[first + 1];
}

double unit_interval(std::uint64_t bits) { return double(bits >> 11) * 0x1p-53; }

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t(0xD2511F53) * counter[0];
    const std::uint64_t b = std::uint64_t(0xCD9E8D57) * counter[2];
    counter = {high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)};
    key[0] += 0x9E3779B9;  // the golden ratio
    key[1] += 0xBB67AE85;  // sqrt(3) - 1
  }
  return counter;
}

std::uint32_t random_stream::bits(std::uint64_t index) const { return block_of(*this, index / 4)[index % 4]; }

double random_stream::uniform(std::uint64_t index) const { return unit_interval(bits64(*this, index)); }

double random_stream::normal(std::uint64_t index) const {
  // Box-Muller makes two normal numbers of two uniform ones; an even index takes the cosine, the next one the sine.
  const std::uint64_t pair = index & ~std::uint64_t(1);
  const double radius = std::sqrt(-2 * std::log(1 - unit_interval(bits64(*this, pair))));
  const double angle = 2 * std::numbers::pi * unit_interval(bits64(*this, pair + 1));
  return radius * (index % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

std::uint64_t random_stream::below(std::uint64_t index, std::uint64_t n) const {
  return std::uint64_t(uint128(bits64(*this, index)) * n >> 64);
}

}  // namespace qkv
