// Random draws, one after the other, for one made-up example.
#pragma once
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "qkv/base/random.h"

namespace qkv {

/// The draws of example `index` of a stream: 2^20 of them, so that examples never share one.
class draws {
 public:
  draws(random_stream from, std::uint64_t index) : from_(from), next_(index << 20) {}

  /// In 0 .. n-1.
  long below(long n) { return long(from_.below(next_++, std::uint64_t(n))); }
  long between(long least, long most) { return least + below(most - least + 1); }
  char letter_of(const std::string& letters) { return letters[std::size_t(below(long(letters.size())))]; }

  /// `count` different numbers of 0 .. n-1, in random order.
  std::vector<long> different(long count, long n) {
    std::vector<long> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    for (long i = 0; i < count; ++i) std::swap(all[std::size_t(i)], all[std::size_t(between(i, n - 1))]);
    all.resize(std::size_t(count));
    return all;
  }

 private:
  random_stream from_;
  std::uint64_t next_;
};

}  // namespace qkv
