// Derivatives by dual numbers against central differences, on scalars and on lanes.
#include "qkv/numbers/dual.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "qkv/numbers/scalar.h"
#include "qkv/numbers/widest.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

class Dual : public EverySet {};

/// On scalars against differences, and on the lanes of the set in use against scalars.
template <class F>
void expect_derivative(const char* name, F f, std::initializer_list<double> places) {
  for (double x : places) {
    using D = dual<real_scalar>;
    const D y = f(D(real_scalar(x), real_scalar(1)));
    const double h = 1e-6, slope = (f(real_scalar(x + h)).v - f(real_scalar(x - h)).v) / (2 * h);
    EXPECT_NEAR(y.slope.v, slope, 1e-8 * (1 + std::abs(slope))) << name << " at " << x;
    EXPECT_EQ(y.value.v, f(real_scalar(x)).v) << name << " at " << x;
    widest([&](auto set) {
      using R = typename decltype(set)::real;
      const dual<R> lanes = f(dual<R>(R(x), R(1)));
      EXPECT_NEAR(lanes.slope.v[1], y.slope.v, 2e-6 * (1 + std::abs(y.slope.v))) << name << " at " << x << " on lanes";
      EXPECT_NEAR(lanes.value.v[1], y.value.v, 2e-6 * (1 + std::abs(y.value.v))) << name << " at " << x << " on lanes";
    });
  }
}

TEST_P(Dual, DifferentiatesEveryFunction) {
  expect_derivative("sum", [](auto x) { return x + 2 - 3 * x + x * 0.5; }, {-1.5, 0.3});
  expect_derivative("product", [](auto x) { return x * x * x; }, {-1.5, 0.3, 2});
  expect_derivative("quotient", [](auto x) { return (x + 1) / (x * x + 2); }, {-1.5, 0.3, 2});
  expect_derivative("reciprocal", [](auto x) { return 1 / x; }, {-1.5, 0.3});
  expect_derivative("negative", [](auto x) { return -x; }, {0.5});
  expect_derivative("min", [](auto x) { return min(x, 1 - x); }, {-1.5, 0.3, 0.8});
  expect_derivative("max", [](auto x) { return max(x * x, 0.5); }, {-1.5, 0.3, 0.8});
  expect_derivative("abs", [](auto x) { return abs(x - 1); }, {-1.5, 0.3, 1.8});
  expect_derivative("exp", [](auto x) { return exp(x); }, {-1.5, 0.3, 4});
  expect_derivative("log", [](auto x) { return log(x); }, {0.1, 1, 7});
  expect_derivative("tanh", [](auto x) { return tanh(x); }, {-1.5, 0.3, 4});
  expect_derivative("sqrt", [](auto x) { return sqrt(x); }, {0.1, 1, 7});
  expect_derivative("sigmoid", [](auto x) { return sigmoid(x); }, {-1.5, 0.3, 4});
  expect_derivative("select", [](auto x) { return select(x < 1, x * x, 2 * x - 1); }, {-1.5, 0.3, 4});
  expect_derivative("nested", [](auto x) { return 30 * tanh(exp(-abs(x)) * x / 30) + log(1 + exp(x)); },
                    {-1.5, 0.3, 2});
}

TEST_P(Dual, ConstantsLeaveInfinityAlone) {
  const auto capped = [](auto x) { return 30 * tanh(x / 30) + 1 - 2 * 0.5; };
  const double infinite = std::numeric_limits<double>::infinity();
  EXPECT_EQ(capped(dual<real_scalar>(-infinite, 1)).value.v, -30);
  EXPECT_EQ(capped(dual<real_scalar>(-infinite, 1)).slope.v, 0);
  widest([&](auto set) {
    using R = typename decltype(set)::real;
    EXPECT_EQ(capped(dual<R>(R(infinite), R(1))).slope.v[0], 0);
  });
}

TEST_P(Dual, MinAndMaxWithNanGiveTheSecond) {
  using D = dual<real_scalar>;
  EXPECT_EQ(max(D(std::nan(""), 1), D(2.0, 3)).slope.v, 3);
  EXPECT_EQ(min(D(std::nan(""), 1), D(2.0, 3)).slope.v, 3);
}

TEST_P(Dual, AStepHasNoDerivative) {
  const auto f = [](auto x) { return x * whole(3 * x); };
  EXPECT_EQ(f(dual<real_scalar>(0.5, 1)).slope.v, 1);
}

TEST(DualOfDual, GivesTheSecondDerivative) {
  using D = dual<dual<real_scalar>>;
  const auto second = [](auto f, double x) {
    return f(D(dual<real_scalar>(x, 1), dual<real_scalar>(1, 0))).slope.slope.v;
  };
  EXPECT_NEAR(second([](auto x) { return x * x * x; }, 2), 12, 1e-12);
  EXPECT_NEAR(second([](auto x) { return exp(2 * x); }, 0.3), 4 * std::exp(0.6), 1e-12);
  EXPECT_NEAR(second([](auto x) { return tanh(x); }, 0.3), -2 * std::tanh(0.3) * (1 - std::pow(std::tanh(0.3), 2)),
              1e-12);
  EXPECT_NEAR(second([](auto x) { return log(x) + sqrt(x); }, 0.7), -1 / 0.49 - 0.25 * std::pow(0.7, -1.5), 1e-12);
}

QKV_ON_EVERY_SET(Dual);

}  // namespace
}  // namespace qkv
