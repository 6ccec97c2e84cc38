#include "qkv/tensor/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace qkv {
namespace {

float rounded(float x) { return bfloat16(x); }

TEST(Bfloat16, KeepsWhatItCanHold) {
  for (const float x : {0.0f, 1.0f, -2.5f, 0x1p-126f, 0x1p127f}) EXPECT_EQ(rounded(x), x);
  EXPECT_TRUE(std::signbit(rounded(-0.0f)));
}

TEST(Bfloat16, RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(rounded(1 + 0x1p-9f), 1.0f);                    // below half a step
  EXPECT_EQ(rounded(1 + 0x1p-8f), 1.0f);                    // a tie: down to even
  EXPECT_EQ(rounded(1 + 3 * 0x1p-8f), 1 + 4 * 0x1p-8f);     // a tie: up to even
  EXPECT_EQ(rounded(1 + 0x1p-8f + 0x1p-20f), 1 + 0x1p-7f);  // just above a tie
}

TEST(Bfloat16, RoundsPastTheLargestToInfinity) {
  EXPECT_EQ(rounded(std::numeric_limits<float>::max()), std::numeric_limits<float>::infinity());
  EXPECT_EQ(rounded(-std::numeric_limits<float>::infinity()), -std::numeric_limits<float>::infinity());
}

TEST(Bfloat16, KeepsEveryNanANan) {
  EXPECT_TRUE(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0x7F800001u))));  // its payload lies in the half that is cut off
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0xFFFFFFFFu))));
}

TEST(Bfloat16, RoundsSubnormalNumbersToo) {
  EXPECT_EQ(rounded(std::bit_cast<float>(0x00010000u)), std::bit_cast<float>(0x00010000u));
  EXPECT_EQ(rounded(std::bit_cast<float>(0x00000001u)), 0.0f);
}

TEST(Dtype, KnowsItsSizeAndName) {
  EXPECT_EQ(size_of(dtype::float32), 4u);
  EXPECT_EQ(size_of(dtype::bfloat16), 2u);
  EXPECT_EQ(size_of(dtype::int32), 4u);
  EXPECT_EQ(size_of(dtype::float64), 8u);
  EXPECT_STREQ(name_of(dtype::bfloat16), "bfloat16");
  static_assert(dtype_of<const double> == dtype::float64);
}

}  // namespace
}  // namespace qkv
