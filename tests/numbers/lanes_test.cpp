// Lanes against scalars and against double precision, for every function, on every instruction set.
#include "qkv/numbers/lanes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "qkv/base/random.h"
#include "qkv/numbers/scalar.h"
#include "qkv/numbers/widest.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

constexpr float infinite = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
constexpr int room = 16;  // of the widest lanes

using floats = std::vector<float>;
using ints = std::vector<std::int32_t>;

class Lanes : public EverySet {};

/// f on lanes, over vectors of a multiple of 16 numbers each.
template <class F>
floats over(F f, const floats& a, const floats& b) {
  floats r(a.size());
  widest([&](auto set) {
    using R = typename decltype(set)::real;
    for (std::size_t i = 0; i < a.size(); i += decltype(set)::width) {
      R x, y;
      std::memcpy(&x.v, a.data() + i, sizeof x.v);
      std::memcpy(&y.v, b.data() + i, sizeof y.v);
      const R z = f(x, y);
      std::memcpy(r.data() + i, &z.v, sizeof z.v);
    }
  });
  return r;
}
template <class F>
floats over(F f, const floats& a) {
  return over([f](auto x, auto) { return f(x); }, a, a);
}
/// The same on whole numbers.
template <class F>
ints over_ints(F f, const ints& a, const ints& b) {
  ints r(a.size());
  widest([&](auto set) {
    using I = typename decltype(set)::index;
    for (std::size_t i = 0; i < a.size(); i += decltype(set)::width) {
      I x, y;
      std::memcpy(&x.v, a.data() + i, sizeof x.v);
      std::memcpy(&y.v, b.data() + i, sizeof y.v);
      const I z = f(x, y);
      std::memcpy(r.data() + i, &z.v, sizeof z.v);
    }
  });
  return r;
}

floats between(float low, float high, std::size_t count = 1 << 14) {
  const random_stream stream{7, 0};
  floats x(count);
  for (std::size_t i = 0; i < count; ++i) x[i] = float(low + (high - low) * stream.uniform(i));
  return x;
}

floats padded(floats x) {
  x.resize((x.size() + room - 1) / room * room, x.empty() ? 0 : x.back());
  return x;
}

/// The largest relative error against a function of doubles.
template <class F>
double relative_error(F f, const std::function<double(double)>& exact, const floats& x, double floor = 0) {
  const floats y = over(f, x);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = exact(double(x[i]));
    worst = std::max(worst, std::abs(double(y[i]) - want) / std::max(std::abs(want), floor));
  }
  return worst;
}

TEST_P(Lanes, ExpIsRightToTwoRoundings) {
  const auto f = [](auto x) { return exp(x); };
  EXPECT_LT(relative_error(f, [](double x) { return std::exp(x); }, between(-87, 88.5f)), 2e-7);
  EXPECT_LT(relative_error(f, [](double x) { return std::exp(x); }, between(-1e-3f, 1e-3f)), 1.2e-7);
  const floats ends = over(f, padded({0, -infinite, infinite, 100, -100, nan}));
  EXPECT_EQ(ends[0], 1);
  EXPECT_EQ(ends[1], 0);
  EXPECT_EQ(ends[2], infinite);
  EXPECT_EQ(ends[3], infinite);
  EXPECT_EQ(ends[4], 0);
  EXPECT_TRUE(std::isnan(ends[5]));
}

TEST_P(Lanes, Exp2IsRightToThreeRoundingsAndHeldWithinTheNormalNumbers) {
  const auto f = [](auto x) { return exp2(x); };
  EXPECT_LT(relative_error(f, [](double x) { return std::exp2(x); }, between(-126, 126.9f)), 2.5e-7);
  const floats ends = over(f, padded({-1000, 1000, nan, -infinite}));
  EXPECT_FLOAT_EQ(ends[0], std::exp2(-126.f));
  EXPECT_FLOAT_EQ(ends[1], std::exp2(127.f));
  EXPECT_TRUE(std::isnan(ends[2]));
  EXPECT_FLOAT_EQ(ends[3], std::exp2(-126.f));
}

TEST_P(Lanes, LogIsRightToTwoRoundings) {
  const auto f = [](auto x) { return log(x); };
  const auto exact = [](double x) { return std::log(x); };
  EXPECT_LT(relative_error(f, exact, between(1.5f, 1e6f)), 2e-7);
  EXPECT_LT(relative_error(f, exact, between(1e-30f, 0.6f)), 2e-7);
  EXPECT_LT(relative_error(f, exact, between(0.5f, 1.5f), 1e-2), 2e-6);  // the result passes through 0
  EXPECT_LT(relative_error(f, exact, padded({1e-40f, 3e-45f, 1.2e-38f})), 2e-7);
  const floats ends = over(f, padded({0, 1, infinite, -1, nan}));
  EXPECT_EQ(ends[0], -infinite);
  EXPECT_EQ(ends[1], 0);
  EXPECT_EQ(ends[2], infinite);
  EXPECT_TRUE(std::isnan(ends[3]));
  EXPECT_TRUE(std::isnan(ends[4]));
}

TEST_P(Lanes, TanhIsRightToThreeRoundingsAndStaysWithinOne) {
  const auto f = [](auto x) { return tanh(x); };
  EXPECT_LT(relative_error(f, [](double x) { return std::tanh(x); }, between(-12, 12)), 3e-7);
  EXPECT_LT(relative_error(f, [](double x) { return std::tanh(x); }, between(-0.7f, 0.7f)), 3e-7);
  const floats ends = over(f, padded({0, -0.f, infinite, -infinite, 1e30f, nan}));
  EXPECT_EQ(ends[0], 0);
  EXPECT_EQ(ends[2], 1);
  EXPECT_EQ(ends[3], -1);
  EXPECT_EQ(ends[4], 1);
  EXPECT_TRUE(std::isnan(ends[5]));
}

TEST_P(Lanes, SigmoidIsRightToThreeRoundings) {
  const auto f = [](auto x) { return sigmoid(x); };
  EXPECT_LT(relative_error(f, [](double x) { return 1 / (1 + std::exp(-x)); }, between(-80, 80)), 3e-7);
  const floats ends = over(f, padded({0, infinite, -infinite, nan}));
  EXPECT_EQ(ends[0], 0.5f);
  EXPECT_EQ(ends[1], 1);
  EXPECT_EQ(ends[2], 0);
  EXPECT_TRUE(std::isnan(ends[3]));
}

TEST_P(Lanes, ArithmeticRoundsAsOneNumberDoes) {
  const floats a = between(-10, 10), b = [] {
    auto x = between(-10, 10, (1 << 14) + 5);
    return floats(x.begin() + 5, x.end());
  }();
  const auto check = [&](auto on_lanes, auto on_one) {
    const floats r = over(on_lanes, a, b);
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(r[i], on_one(a[i], b[i])) << a[i] << " and " << b[i];
  };
  check([](auto x, auto y) { return x + y; }, [](float x, float y) { return x + y; });
  check([](auto x, auto y) { return x - y; }, [](float x, float y) { return x - y; });
  check([](auto x, auto y) { return x * y; }, [](float x, float y) { return x * y; });
  check([](auto x, auto y) { return x / y; }, [](float x, float y) { return x / y; });
  check([](auto x, auto) { return -x; }, [](float x, float) { return -x; });
  check([](auto x, auto) { return abs(x); }, [](float x, float) { return std::abs(x); });
  check([](auto x, auto) { return sqrt(abs(x)); }, [](float x, float) { return std::sqrt(std::abs(x)); });
  check([](auto x, auto y) { return min(x, y); }, [](float x, float y) { return std::min(x, y); });
  check([](auto x, auto y) { return max(x, y); }, [](float x, float y) { return std::max(x, y); });
  check([](auto x, auto y) { return select(x < y, x, y * 2); }, [](float x, float y) { return x < y ? x : y * 2; });
  check([](auto x, auto y) { return x * select(x < y, 2, 0.5); },
        [](float x, float y) { return x * (x < y ? 2 : 0.5f); });
  check([](auto x, auto) { return 2 * x + 0.5 - x / 4; }, [](float x, float) { return (2 * x + 0.5f) - x / 4; });
}

TEST_P(Lanes, FmaAgreesWithProductAndSumToARounding) {
  const floats a = between(-3, 3);
  const floats r = over([](auto x) { return fma(x, x, x); }, a);
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(r[i], double(a[i]) * a[i] + a[i], 1.5e-6);
}

TEST_P(Lanes, TruthKnowsNanAndJoins) {
  const floats a = padded({1, 2, 3, nan, infinite, -infinite}), b = padded({1, 3, 2, 1, infinite, nan});
  const auto holds = [&](auto rule) {
    const floats r = over([rule](auto x, auto y) { return select(rule(x, y), decltype(x)(1), decltype(x)(0)); }, a, b);
    return floats(r.begin(), r.begin() + 6);
  };
  EXPECT_EQ(holds([](auto x, auto y) { return x < y; }), (floats{0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(holds([](auto x, auto y) { return x <= y; }), (floats{1, 1, 0, 0, 1, 0}));
  EXPECT_EQ(holds([](auto x, auto y) { return x > y; }), (floats{0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(holds([](auto x, auto y) { return x >= y; }), (floats{1, 0, 1, 0, 1, 0}));
  EXPECT_EQ(holds([](auto x, auto y) { return x == y; }), (floats{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(holds([](auto x, auto y) { return x != y; }), (floats{0, 1, 1, 1, 0, 1}));
  EXPECT_EQ(holds([](auto x, auto y) { return !(x < y) && x == x; }), (floats{1, 0, 1, 0, 1, 1}));
  EXPECT_EQ(holds([](auto x, auto y) { return x < y || y < x; }), (floats{0, 1, 1, 0, 0, 0}));
}

TEST_P(Lanes, KeepGivesExactlyZeroWhateverStandsThere) {
  const floats r =
      over([](auto x) { return keep(x == x && x < decltype(x)(10.f), x); }, padded({nan, infinite, -3, 5}));
  EXPECT_EQ(floats(r.begin(), r.begin() + 4), (floats{0, 0, -3, 5}));
  EXPECT_FALSE(std::signbit(r[0]) || std::signbit(r[1]));
}

TEST_P(Lanes, MinAndMaxWithNanGiveTheSecond) {
  const floats a = padded({nan, 1}), b = padded({2, nan});
  for (const auto& r :
       {over([](auto x, auto y) { return min(x, y); }, a, b), over([](auto x, auto y) { return max(x, y); }, a, b)}) {
    EXPECT_EQ(r[0], 2);
    EXPECT_TRUE(std::isnan(r[1]));
  }
}

TEST_P(Lanes, WholeNumbersDivideAsScalarsDo) {
  ints a, b;
  for (int x = -20; x <= 20; ++x)
    for (int y = -20; y <= 20; ++y) a.push_back(x), b.push_back(y);
  a.resize(a.size() / room * room), b.resize(a.size());
  const auto check = [&](auto f) {
    const ints r = over_ints(f, a, b);
    for (std::size_t i = 0; i < a.size(); ++i)
      ASSERT_EQ(r[i], f(whole_scalar(a[i]), whole_scalar(b[i])).v) << a[i] << " and " << b[i];
  };
  check([](auto x, auto y) { return x + y; });
  check([](auto x, auto y) { return x - y; });
  check([](auto x, auto y) { return x * y; });
  check([](auto x, auto y) { return x / y; });
  check([](auto x, auto y) { return x % y; });
  check([](auto x, auto) { return -x; });
  check([](auto x, auto) { return abs(x); });
  check([](auto x, auto y) { return min(x, y); });
  check([](auto x, auto y) { return max(x, y); });
  check([](auto x, auto y) { return hash(5, x, y); });
  check([](auto x, auto y) { return select(x <= y && x != 3, x, y); });
  check([](auto x, auto y) { return select(x < y || !(x >= 2) || x == y || x > 7, x, 2 * y - 1); });
}

TEST_P(Lanes, WholeRoundsDownAndIsHeldWithinABillion) {
  widest([&](auto set) {
    using R = typename decltype(set)::real;
    for (float x : {0.f, 0.9f, -0.1f, -1.f, 2.999f, 1e6f, -2.5f})
      EXPECT_EQ(whole(R(x)).v[1], std::int32_t(std::floor(x))) << x;
    EXPECT_EQ(whole(R(infinite)).v[0], 1000000000);
    EXPECT_EQ(whole(R(-1e20f)).v[0], -1000000000);
    EXPECT_EQ(real(typename decltype(set)::index(7)).v[2], 7.f);
  });
}

TEST_P(Lanes, WholeNumbersBeyondThirtyTwoBitsBecomeTheNearest) {
  widest([&](auto set) {
    using I = typename decltype(set)::index;
    EXPECT_EQ(I(1L << 40).v[0], INT32_MAX);
    EXPECT_EQ(I(-(1L << 40)).v[1], INT32_MIN);
    EXPECT_EQ(I(~0UL).v[0], INT32_MAX);
    EXPECT_EQ(I(3000000000u).v[1], INT32_MAX);
    EXPECT_EQ(I(-7L).v[0], -7);
    EXPECT_EQ(I(std::uint8_t(200)).v[0], 200);
  });
}

TEST_P(Lanes, CountLoadStoreAndReduce) {
  widest([&](auto set) {
    using S = decltype(set);
    using I = typename S::index;
    const I counting = I::counting_from(5);
    EXPECT_EQ(counting.v[0], 5);
    EXPECT_EQ(counting.v[S::width - 1], 4 + S::width);
    EXPECT_TRUE(all(counting > 4));
    EXPECT_FALSE(all(counting > 5));
    typename S::real x(counting);
    EXPECT_EQ(sum(x), float(S::width * (5 + 4 + S::width)) / 2);
    EXPECT_EQ(maximum(x), float(4 + S::width));
    x.v[1] = nan;
    EXPECT_TRUE(std::isnan(maximum(x)));
    float memory[room] = {};
    store(memory, typename S::real(counting));
    EXPECT_EQ(memory[1], 6);
  });
}

QKV_ON_EVERY_SET(Lanes);

}  // namespace
}  // namespace qkv
