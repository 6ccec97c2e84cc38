#include "qkv/base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace qkv {
namespace {

using words4 = std::array<std::uint32_t, 4>;

TEST(Philox, MatchesTheKnownAnswersOfItsAuthors) {
  constexpr std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (words4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}), (words4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (words4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, IsAPureFunctionOfSeedStreamAndIndex) {
  const random_stream a{1, 2}, same{1, 2}, other_seed{2, 2}, other_stream{1, 3};
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(a.bits(i), same.bits(i));
  EXPECT_NE(a.bits(0), other_seed.bits(0));
  EXPECT_NE(a.bits(0), other_stream.bits(0));
  EXPECT_NE(a.bits(0), a.bits(1));
  EXPECT_NE(a.bits(0), a.bits(std::uint64_t(1) << 40));
}

TEST(RandomStream, UsesAllBitsOfTheSeedAndTheStream) {
  EXPECT_NE((random_stream{1, 0}.bits(0)), (random_stream{1 | std::uint64_t(1) << 63, 0}.bits(0)));
  EXPECT_NE((random_stream{1, 0}.bits(0)), (random_stream{1, std::uint64_t(1) << 63}.bits(0)));
}

TEST(Uniform, LiesInTheUnitIntervalWithTheRightMoments) {
  const random_stream stream{42, 0};
  const int n = 200'000;
  double sum = 0, squares = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double x = stream.uniform(i);
    ASSERT_GE(x, 0);
    ASSERT_LT(x, 1);
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / n, 0.5, 4 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(squares / n, 1.0 / 3, 0.003);
}

TEST(Normal, HasMeanZeroDeviationOneAndIndependentNeighbours) {
  const random_stream stream{42, 1};
  const int n = 200'000;
  double sum = 0, squares = 0, fourth = 0, neighbours = 0, before = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double x = stream.normal(i);
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
    neighbours += x * before;
    before = x;
  }
  const double error = 4 / std::sqrt(double(n));
  EXPECT_NEAR(sum / n, 0, error);
  EXPECT_NEAR(squares / n, 1, error * std::sqrt(2.0));
  EXPECT_NEAR(fourth / n, 3, error * std::sqrt(96.0));
  EXPECT_NEAR(neighbours / n, 0, error);
}

TEST(Below, ReachesEveryValueEvenlyAndNoneBeyond) {
  const random_stream stream{7, 0};
  std::vector<int> seen(10);
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const auto x = stream.below(i, 10);
    ASSERT_LT(x, 10u);
    ++seen[x];
  }
  for (const int times : seen) EXPECT_NEAR(times, 10'000, 4 * std::sqrt(9'000.0));
  EXPECT_EQ(stream.below(5, 1), 0u);
  EXPECT_LT(stream.below(5, std::uint64_t(1) << 60), std::uint64_t(1) << 60);
}

}  // namespace
}  // namespace qkv
