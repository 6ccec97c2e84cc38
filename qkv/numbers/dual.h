// dual<X>: a value and its derivative along one direction (forward-mode differentiation).
// X is scalar<double>, a set's lanes<float>, or another dual (second order).
#pragma once
#include <concepts>
#include <type_traits>

namespace qkv {

template <class X>
struct dual {
  X value, slope;
  using truth = typename X::truth;

  dual() = default;
  /// A constant: derivative zero.
  template <class U>
    requires(std::convertible_to<U, X> && !std::same_as<std::remove_cvref_t<U>, dual>)
  dual(U x) : value(x), slope(0) {}
  dual(X v, X s) : value(v), slope(s) {}

  friend dual operator+(dual a, dual b) { return {a.value + b.value, a.slope + b.slope}; }
  friend dual operator-(dual a, dual b) { return {a.value - b.value, a.slope - b.slope}; }
  friend dual operator*(dual a, dual b) { return {a.value * b.value, a.slope * b.value + a.value * b.slope}; }
  friend dual operator/(dual a, dual b) {
    X q = a.value / b.value;
    return {q, (a.slope - q * b.slope) / b.value};
  }
  friend dual operator-(dual a) { return {-a.value, -a.slope}; }

  // With a constant: nothing is multiplied by its slope of 0, which would make NaN of an infinite value.
  template <class U>
    requires std::is_arithmetic_v<U>
  friend dual operator+(dual a, U c) { return {a.value + X(c), a.slope}; }
  template <class U>
    requires std::is_arithmetic_v<U>
  friend dual operator+(U c, dual a) { return {X(c) + a.value, a.slope}; }
  template <class U>
    requires std::is_arithmetic_v<U>
  friend dual operator-(dual a, U c) { return {a.value - X(c), a.slope}; }
  template <class U>
    requires std::is_arithmetic_v<U>
  friend dual operator-(U c, dual a) { return {X(c) - a.value, -a.slope}; }
  template <class U>
    requires std::is_arithmetic_v<U>
  friend dual operator*(dual a, U c) { return {a.value * X(c), a.slope * X(c)}; }
  template <class U>
    requires std::is_arithmetic_v<U>
  friend dual operator*(U c, dual a) { return {X(c) * a.value, X(c) * a.slope}; }
  template <class U>
    requires std::is_arithmetic_v<U>
  friend dual operator/(dual a, U c) { return {a.value / X(c), a.slope / X(c)}; }

  friend truth operator<(dual a, dual b) { return a.value < b.value; }
  friend truth operator<=(dual a, dual b) { return a.value <= b.value; }
  friend truth operator>(dual a, dual b) { return a.value > b.value; }
  friend truth operator>=(dual a, dual b) { return a.value >= b.value; }
  friend truth operator==(dual a, dual b) { return a.value == b.value; }
  friend truth operator!=(dual a, dual b) { return a.value != b.value; }

  friend dual select(truth c, dual a, dual b) { return {select(c, a.value, b.value), select(c, a.slope, b.slope)}; }
  friend dual min(dual a, dual b) { return select(a < b, a, b); }
  friend dual max(dual a, dual b) { return select(a > b, a, b); }
  friend dual abs(dual a) { return select(a.value < X(0), -a, a); }
  friend dual exp(dual a) {
    X e = exp(a.value);
    return {e, e * a.slope};
  }
  friend dual log(dual a) { return {log(a.value), a.slope / a.value}; }
  friend dual tanh(dual a) {
    X t = tanh(a.value);
    return {t, (X(1) - t * t) * a.slope};
  }
  friend dual sqrt(dual a) {
    X r = sqrt(a.value);
    return {r, a.slope / (X(2) * r)};
  }
  friend dual sigmoid(dual a) {
    X r = sigmoid(a.value);
    return {r, r * (X(1) - r) * a.slope};
  }
  friend auto whole(dual a) { return whole(a.value); }  // a step function: its derivative is 0 where it has one
};

}  // namespace qkv
