#include "qkv/numbers/scalar.h"

#include <gtest/gtest.h>

namespace qkv {
namespace {

TEST(Scalar, WholeNumbersDivideDownwards) {
  const auto quotient = [](long a, long b) { return (whole_scalar(a) / whole_scalar(b)).v; };
  const auto rest = [](long a, long b) { return (whole_scalar(a) % whole_scalar(b)).v; };
  EXPECT_EQ(quotient(7, 2), 3);
  EXPECT_EQ(quotient(-7, 2), -4);
  EXPECT_EQ(quotient(7, -2), -4);
  EXPECT_EQ(quotient(-6, 2), -3);
  EXPECT_EQ(rest(-7, 3), 2);
  EXPECT_EQ(rest(7, -3), -2);
}

TEST(Scalar, DividingByZeroGivesZeroAndLeavesTheRest) {
  EXPECT_EQ((whole_scalar(5) / whole_scalar(0)).v, 0);
  EXPECT_EQ((whole_scalar(5) % whole_scalar(0)).v, 5);
}

TEST(Scalar, AWholeNumberMeetingALiteralBecomesReal) {
  EXPECT_EQ((whole_scalar(3) * 0.5).v, 1.5);
  EXPECT_EQ((0.5 - whole_scalar(3)).v, -2.5);
  EXPECT_EQ((whole_scalar(3) * 2).v, 6);
}

TEST(Scalar, FunctionsAreTheStandardOnes) {
  const real_scalar x = 0.7;
  EXPECT_EQ(exp(x).v, std::exp(0.7));
  EXPECT_EQ(log(x).v, std::log(0.7));
  EXPECT_EQ(tanh(x).v, std::tanh(0.7));
  EXPECT_EQ(sqrt(x).v, std::sqrt(0.7));
  EXPECT_EQ(sigmoid(x).v, 1 / (1 + std::exp(-0.7)));
  EXPECT_EQ(abs(-x).v, 0.7);
  EXPECT_EQ(min(x, 0.5).v, 0.5);
  EXPECT_EQ(max(x, 0.5).v, 0.7);
  EXPECT_EQ(select(x < 1, x, 2 * x).v, 0.7);
}

TEST(Scalar, MinAndMaxWithNanGiveTheSecond) {
  const real_scalar nan = std::nan(""), two = 2;
  EXPECT_EQ(min(nan, two).v, 2);
  EXPECT_EQ(max(nan, two).v, 2);
  EXPECT_TRUE(std::isnan(min(two, nan).v));
  EXPECT_TRUE(std::isnan(max(two, nan).v));
}

TEST(Scalar, SelectTakesLiterals) {
  EXPECT_EQ(select(whole_scalar(1) < 2, 3, 4).v, 3);
  EXPECT_EQ(select(whole_scalar(3) < 2, 3, 0.5).v, 0.5);
}

TEST(Scalar, WholeRoundsDownAndIsHeldWithinABillion) {
  EXPECT_EQ(whole(real_scalar(-0.5)).v, -1);
  EXPECT_EQ(whole(real_scalar(2.9)).v, 2);
  EXPECT_EQ(whole(real_scalar(1e20)).v, 1000000000);
  EXPECT_EQ(real(whole_scalar(4)).v, 4.0);
}

TEST(Hash, IsTheSameEverywhereAndWellSpread) {
  EXPECT_EQ(hash(3, whole_scalar(5), whole_scalar(8)).v, hash_of(3, 5, 8));
  int ones = 0;
  for (long i = 0; i < 1000; ++i) {
    EXPECT_GE(hash_of(1, i, 0), 0);
    EXPECT_LT(hash_of(1, i, 0), 1l << 30);
    ones += int(hash_of(1, i, 0) % 2);
  }
  EXPECT_NEAR(ones, 500, 60);
}

TEST(Scalar, WholeNumbersOfAnyTypeBecomeTheNearest) {
  EXPECT_EQ(whole_scalar(~0UL).v, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(whole_scalar(-7).v, -7);
  EXPECT_EQ(nearest<std::int32_t>(-(1L << 40)), std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(nearest<std::int32_t>(3000000000u), std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(real_scalar(~0UL).v, 0x1p64);
}

}  // namespace
}  // namespace qkv
