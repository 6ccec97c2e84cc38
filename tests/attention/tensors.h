// What the tests of attention share: tensors of random numbers, and how far two tensors are apart.
#pragma once
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "qkv/base/random.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

/// Normal numbers times `size`.
inline tensor normal(shape s, std::uint64_t seed, dtype type = dtype::float64, double size = 1) {
  const random_stream stream{seed, 0};
  std::vector<double> values(count_of(s));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = size * stream.normal(i);
  return tensor(std::move(s), std::move(values)).to(type);
}

/// Calls f(index) for every index of the shape, in row-major order.
inline void each_index(const shape& s, const std::function<void(const shape&)>& f) {
  shape at(s.size(), 0);
  for (long n = count_of(s); n > 0; --n) {
    f(at);
    for (int d = int(s.size()) - 1; d >= 0 && ++at[d] == s[d]; --d) at[d] = 0;
  }
}

/// The values, row-major, as double.
inline std::vector<double> values_of(const tensor& t) {
  const tensor whole = t.to(dtype::float64).to_contiguous();
  const auto values = whole.values<double>();
  return {values.begin(), values.end()};
}

/// The largest |a - b|; infinity when shapes differ, or one is NaN or infinite where the other is something else.
inline double difference(const tensor& a, const tensor& b) {
  if (a.shape() != b.shape()) return infinity;
  const auto x = values_of(a), y = values_of(b);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))) continue;
    const double apart = std::abs(x[i] - y[i]);
    worst = std::isfinite(apart) ? std::max(worst, apart) : infinity;
  }
  return worst;
}

/// Sum of a * b over all elements.
inline double product_sum(const tensor& a, const tensor& b) {
  const auto x = values_of(a), y = values_of(b);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

/// What an exception of type E says; "no exception" when there is none.
template <class E = shape_error>
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const E& e) { return e.what(); }
  return "no exception";
}

}  // namespace qkv
