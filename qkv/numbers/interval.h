// interval: every whole number from lo to hi.  coverage: what a condition says of a whole tile.
// A mask evaluated on the interval of a tile's queries and the interval of its keys answers for all of its links at
// once.  The answer may be too careful (partial), never wrong.  Both remember which of at.query, at.key, at.head,
// at.batch they were made from, so that the engine knows which heads and sequences share one answer.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstdlib>

#include "qkv/numbers/hash.h"
#include "qkv/numbers/nearest.h"

namespace qkv {

/// Which places an answer depends on.
enum reads : std::uint8_t { reads_nothing = 0, reads_query = 1, reads_key = 2, reads_head = 4, reads_batch = 8 };
constexpr reads operator|(reads a, reads b) { return reads(std::uint8_t(a) | std::uint8_t(b)); }

/// Three-valued truth over a tile: empty (holds nowhere), partial (unknown or mixed), full.
struct coverage {
  enum kind : std::int8_t { none, some, all } is;
  reads from = reads_nothing;

  constexpr coverage(kind k, reads r = reads_nothing) : is(k), from(r) {}
  template <std::same_as<bool> B>
  constexpr coverage(B b) : is(b ? all : none) {}
  template <std::same_as<bool> B>
  explicit operator B() const {
    static_assert(sizeof(B) == 0,
                  "qkv: a condition on many links at once cannot steer `if` or `?:`; write select(condition, a, b)");
    return false;
  }
  bool empty() const { return is == none; }
  bool partial() const { return is == some; }
  bool full() const { return is == all; }
  friend coverage operator&&(coverage a, coverage b) { return {std::min(a.is, b.is), a.from | b.from}; }
  friend coverage operator||(coverage a, coverage b) { return {std::max(a.is, b.is), a.from | b.from}; }
  friend coverage operator!(coverage a) { return {kind(all - a.is), a.from}; }
  friend coverage operator&(coverage a, coverage b) { return a && b; }
  friend coverage operator|(coverage a, coverage b) { return a || b; }
};

struct interval {
  std::int64_t lo, hi;
  reads from = reads_nothing;
  using truth = coverage;

  template <std::integral I>
  interval(I x) : lo(nearest<std::int64_t>(x)), hi(lo) {}
  interval(std::int64_t l, std::int64_t h, reads r = reads_nothing) : lo(l), hi(h), from(r) {}
  bool single() const { return lo == hi; }
  interval because(reads r) const { return {lo, hi, from | r}; }

  template <class... X>
  static interval hull(X... x) {
    return {std::min({std::int64_t(x)...}), std::max({std::int64_t(x)...})};
  }
  static std::int64_t floor_division(std::int64_t a, std::int64_t b) {
    if (b == 0) return 0;
    const bool small = a == std::int32_t(a) && b == std::int32_t(b) && b != -1;  // divided in a third of the time
    const std::int64_t q = small ? std::int32_t(a) / std::int32_t(b) : a / b;
    return q - (q * b != a && (a < 0) != (b < 0));
  }

  friend interval operator+(interval a, interval b) { return {a.lo + b.lo, a.hi + b.hi, a.from | b.from}; }
  friend interval operator-(interval a, interval b) { return {a.lo - b.hi, a.hi - b.lo, a.from | b.from}; }
  friend interval operator-(interval a) { return {-a.hi, -a.lo, a.from}; }
  friend interval operator*(interval a, interval b) {
    return hull(a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi).because(a.from | b.from);
  }
  friend interval operator/(interval a, interval b) {
    if (b.lo <= 0 && b.hi >= 0 && !b.single()) {
      const auto m = std::max(std::abs(a.lo), std::abs(a.hi));
      return {-m - 1, m + 1, a.from | b.from};
    }
    const auto low = floor_division(a.lo, b.lo), high = a.single() ? low : floor_division(a.hi, b.lo);
    if (b.single()) return hull(low, high).because(a.from | b.from);
    return hull(low, high, floor_division(a.lo, b.hi), floor_division(a.hi, b.hi)).because(a.from | b.from);
  }
  friend interval operator%(interval a, interval b) {
    if (b.single() && b.lo > 0) {
      const interval block = a / b;  // the remainder is monotone while the quotient stays put
      if (block.single()) return {a.lo - block.lo * b.lo, a.hi - block.lo * b.lo, a.from | b.from};
      return {0, b.lo - 1, a.from | b.from};
    }
    const auto m = std::max({std::abs(b.lo), std::abs(b.hi), std::abs(a.lo), std::abs(a.hi)});  // a % 0 is a
    return {-m, m, a.from | b.from};
  }
#define QKV_WHOLE_ONLY(op)                                                                                       \
  template <std::floating_point F>                                                                               \
  friend interval operator op(interval a, F) {                                                                   \
    static_assert(sizeof(F) == 0,                                                                                \
                  "qkv: a mask compares whole numbers, so that whole tiles can be decided; write 2 * a < b for " \
                  "a < b * 0.5");                                                                                \
    return a;                                                                                                    \
  }
  QKV_WHOLE_ONLY(+) QKV_WHOLE_ONLY(-) QKV_WHOLE_ONLY(*) QKV_WHOLE_ONLY(/)
#undef QKV_WHOLE_ONLY

  friend coverage operator<(interval a, interval b) {
    return {a.hi < b.lo ? coverage::all : a.lo >= b.hi ? coverage::none : coverage::some, a.from | b.from};
  }
  friend coverage operator<=(interval a, interval b) {
    return {a.hi <= b.lo ? coverage::all : a.lo > b.hi ? coverage::none : coverage::some, a.from | b.from};
  }
  friend coverage operator>(interval a, interval b) { return b < a; }
  friend coverage operator>=(interval a, interval b) { return b <= a; }
  friend coverage operator==(interval a, interval b) { return a <= b && b <= a; }
  friend coverage operator!=(interval a, interval b) { return !(a == b); }

  friend interval select(coverage c, interval a, interval b) {
    const interval r = c.full() ? a : c.empty() ? b : hull(a.lo, a.hi, b.lo, b.hi);
    return r.because(a.from | b.from | c.from);
  }
  friend interval min(interval a, interval b) {
    return {std::min(a.lo, b.lo), std::min(a.hi, b.hi), a.from | b.from};
  }
  friend interval max(interval a, interval b) {
    return {std::max(a.lo, b.lo), std::max(a.hi, b.hi), a.from | b.from};
  }
  friend interval abs(interval a) {
    return a.lo >= 0 ? a : a.hi <= 0 ? -a : interval(0, std::max(-a.lo, a.hi), a.from);
  }
  friend interval hash(std::uint64_t seed, interval a, interval b) {
    if (a.single() && b.single()) return interval(hash_of(seed, a.lo, b.lo)).because(a.from | b.from);
    return {0, (std::int64_t(1) << 30) - 1, a.from | b.from};
  }
};

/// Between two literals.
template <std::integral A, std::integral B>
interval select(coverage c, A a, B b) {
  return select(c, interval(a), interval(b));
}

}  // namespace qkv
