// Derivatives against differences: five-point stencils of a random weighting of the outcome, which float32 allows to
// about 1e-4.
#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "qkv/autograd/elementwise.h"
#include "qkv/autograd/loss.h"
#include "qkv/base/random.h"

namespace qkv {

using function_of_variables = std::function<variable(const std::vector<variable>&)>;

inline tensor random_tensor(shape s, std::uint64_t stream) {
  const tensor t(std::move(s));
  std::uint64_t i = 0;
  for (float& x : t.values<float>()) x = float(random_stream{7, stream}.normal(i++));
  return t;
}

/// The outcome times fixed random numbers, summed in double.
inline double weighted_sum(const tensor& outcome) {
  const tensor dense = outcome.to_contiguous();
  double sum = 0;
  std::uint64_t i = 0;
  for (const float y : dense.values<float>()) sum += double(y) * random_stream{7, 1000}.normal(i++);
  return sum;
}

inline std::vector<variable> as_leaves(const std::vector<tensor>& values) {
  std::vector<variable> leaves;
  for (const tensor& value : values) leaves.emplace_back(value, needs_gradient);
  return leaves;
}

/// d weighted_sum(f) / d x by differences.
inline double difference(const function_of_variables& f, const std::vector<tensor>& values, float& x) {
  const no_gradient values_only;
  const float at = x, step = 0.02f;
  const auto value_at = [&](int k) {
    x = at + float(k) * step;
    return weighted_sum(f(as_leaves(values)).value());
  };
  const double slope = (8 * (value_at(1) - value_at(-1)) - (value_at(2) - value_at(-2))) / (12 * double(step));
  x = at;
  return slope;
}

inline void expect_gradients_match(const function_of_variables& f, const std::vector<tensor>& values,
                                   double tolerance = 3e-4) {
  const auto leaves = as_leaves(values);
  const variable y = f(leaves);
  backward(y, random_tensor(y.shape(), 1000));
  for (std::size_t n = 0; n < values.size(); ++n) {
    ASSERT_EQ(leaves[n].gradient().shape(), values[n].shape()) << "input " << n;
    const auto numbers = values[n].values<float>();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const double expected = difference(f, values, numbers[i]);
      ASSERT_NEAR(leaves[n].gradient().values<float>()[i], expected, tolerance * std::max(1.0, std::abs(expected)))
          << "input " << n << ", element " << i;
    }
  }
}

}  // namespace qkv
