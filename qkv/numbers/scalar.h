// scalar<T>: one number.  The oracle evaluates a user's lambda on scalar<double> and scalar<int64>.  Being a class, its
// functions are found by argument-dependent lookup: a lambda writes tanh(s), never std::tanh(s).
// The rules of lanes.h hold here too.
#pragma once
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "qkv/numbers/hash.h"
#include "qkv/numbers/nearest.h"

namespace qkv {

template <class T>
struct scalar;

template <>
struct scalar<bool> {
  bool v;
  scalar() = default;
  scalar(bool x) : v(x) {}
  friend scalar operator&&(scalar a, scalar b) { return a.v && b.v; }
  friend scalar operator||(scalar a, scalar b) { return a.v || b.v; }
  friend scalar operator&(scalar a, scalar b) { return a.v && b.v; }
  friend scalar operator|(scalar a, scalar b) { return a.v || b.v; }
  friend scalar operator!(scalar a) { return !a.v; }
  template <std::same_as<bool> B>
  explicit operator B() const {
    static_assert(sizeof(B) == 0,
                  "qkv: a condition on many links at once cannot steer `if` or `?:`; write select(condition, a, b)");
    return false;
  }
};

template <class T>
struct scalar {
  static constexpr bool is_whole = std::integral<T>;
  using truth = scalar<bool>;
  T v;

  scalar() = default;
  template <std::integral U>
    requires is_whole
  scalar(U x) : v(nearest<T>(x)) {}
  template <std::integral U>
    requires(!is_whole)
  scalar(U x) : v(T(x)) {}
  template <std::floating_point U>
    requires(!is_whole)
  scalar(U x) : v(T(x)) {}
  template <std::same_as<scalar<std::int64_t>> W>
    requires(!is_whole)
  scalar(W x) : v(T(x.v)) {}

  friend scalar operator+(scalar a, scalar b) { return a.v + b.v; }
  friend scalar operator-(scalar a, scalar b) { return a.v - b.v; }
  friend scalar operator*(scalar a, scalar b) { return a.v * b.v; }
  friend scalar operator-(scalar a) { return -a.v; }
  friend scalar operator/(scalar a, scalar b) {
    if constexpr (!is_whole) return a.v / b.v;
    else if (b.v == 0) return 0;
    else return a.v / b.v - (a.v % b.v != 0 && (a.v < 0) != (b.v < 0));
  }
  friend scalar operator%(scalar a, scalar b)
    requires is_whole
  {
    return a - (a / b) * b;
  }

  friend truth operator<(scalar a, scalar b) { return a.v < b.v; }
  friend truth operator<=(scalar a, scalar b) { return a.v <= b.v; }
  friend truth operator>(scalar a, scalar b) { return a.v > b.v; }
  friend truth operator>=(scalar a, scalar b) { return a.v >= b.v; }
  friend truth operator==(scalar a, scalar b) { return a.v == b.v; }
  friend truth operator!=(scalar a, scalar b) { return a.v != b.v; }

  // A whole number meeting a literal such as 0.5 becomes real; it is never rounded in silence.
#define QKV_PROMOTE(op)                                                                                  \
  template <std::floating_point F>                                                                       \
    requires is_whole                                                                                    \
  friend scalar<double> operator op(scalar a, F b) { return scalar<double>(a) op scalar<double>(b); }    \
  template <std::floating_point F>                                                                       \
    requires is_whole                                                                                    \
  friend scalar<double> operator op(F a, scalar b) { return scalar<double>(a) op scalar<double>(b); }
  QKV_PROMOTE(+) QKV_PROMOTE(-) QKV_PROMOTE(*) QKV_PROMOTE(/)
#undef QKV_PROMOTE

  friend scalar select(truth c, scalar a, scalar b) { return c.v ? a : b; }
  friend scalar min(scalar a, scalar b) { return a.v < b.v ? a : b; }  // if one side is NaN, the result is b
  friend scalar max(scalar a, scalar b) { return a.v > b.v ? a : b; }
  friend scalar abs(scalar a) { return a.v < 0 ? -a : a; }

#define QKV_REAL(name)               \
  friend scalar name(scalar a)       \
    requires(!is_whole)              \
  {                                  \
    return std::name(a.v);           \
  }
  QKV_REAL(exp) QKV_REAL(log) QKV_REAL(tanh) QKV_REAL(sqrt)
#undef QKV_REAL
  friend scalar sigmoid(scalar a)
    requires(!is_whole)
  {
    return 1 / (1 + std::exp(-a.v));
  }
  friend scalar hash(std::uint64_t seed, scalar a, scalar b)
    requires is_whole
  {
    return hash_of(seed, a.v, b.v);
  }
};

using real_scalar = scalar<double>;
using whole_scalar = scalar<std::int64_t>;

/// Between two literals.
template <class A, class B>
  requires(std::is_arithmetic_v<A> && std::is_arithmetic_v<B>)
auto select(scalar<bool> c, A a, B b) {
  using S = std::conditional_t<std::floating_point<A> || std::floating_point<B>, real_scalar, whole_scalar>;
  return select(c, S(a), S(b));
}

/// An index as a real number.
inline real_scalar real(whole_scalar a) { return a; }
/// The whole part of a real number (rounded down, held within +-1e9), as an index.
inline whole_scalar whole(real_scalar a) { return std::int64_t(std::clamp(std::floor(a.v), -1e9, 1e9)); }

}  // namespace qkv
