// Pairs of tokens to numbers: a hash table with open addresses, made for many look-ups of pairs that are not there.
#pragma once
#include <bit>
#include <cstdint>
#include <vector>

namespace qkv::tokens {

/// Two tokens as one number; the order of these numbers is that of (left, right).
using token_pair = std::uint64_t;
constexpr token_pair pair_of(std::int32_t left, std::int32_t right) {
  return token_pair(std::uint32_t(left)) << 32 | std::uint32_t(right);
}
constexpr std::int32_t left_of(token_pair pair) { return std::int32_t(pair >> 32); }
constexpr std::int32_t right_of(token_pair pair) { return std::int32_t(std::uint32_t(pair)); }

class pair_table {
 public:
  /// Room for `count` pairs.
  explicit pair_table(std::size_t count = 0) : slots_(std::bit_ceil(2 * count + 2)), mask_(slots_.size() - 1) {}

  /// Adds a pair or gives it another value, >= 0.
  void set(token_pair pair, std::int32_t value) {
    std::size_t at = start_of(pair);
    while (slots_[at].value >= 0 && slots_[at].pair != pair) at = (at + 1) & mask_;
    slots_[at] = {pair, value};
  }

  /// The pair's value; -1 if it is not there.
  std::int32_t find(token_pair pair) const {
    std::size_t at = start_of(pair);
    while (slots_[at].value >= 0 && slots_[at].pair != pair) at = (at + 1) & mask_;
    return slots_[at].value;
  }

 private:
  struct slot {
    token_pair pair = 0;
    std::int32_t value = -1;
  };
  /// Fibonacci hashing: the high half of a product with 2^64 / golden ratio.
  std::size_t start_of(token_pair pair) const { return (pair * 0x9E3779B97F4A7C15u >> 32) & mask_; }

  std::vector<slot> slots_;
  std::size_t mask_;
};

}  // namespace qkv::tokens
