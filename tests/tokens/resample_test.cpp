#include "qkv/tokens/resample.h"

#include <gmock/gmock.h>

#include "tests/base/message_of.h"
#include "tests/tokens/sounds.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

TEST(Resampled, KeepsATone) {
  for (const auto& [from, to] : {std::pair{8000L, 16000L}, {44100L, 16000L}, {48000L, 16000L}, {16000L, 8000L}}) {
    const sound there = resampled(sweep(from, from, 440, 440), to);
    ASSERT_EQ(there.samples.size(), to);
    EXPECT_EQ(there.rate, to);
    for (long n = 500; n < to - 500; ++n)
      ASSERT_NEAR(there.samples.at<float>(n), 0.5 * std::sin(2 * std::numbers::pi * 440 * double(n) / double(to)), 1e-3)
          << from << " to " << to << " at " << n;
  }
}

TEST(Resampled, LeavesOutWhatTheNewRateCannotHold) {
  const sound there = resampled(sweep(48000, 48000, 12000, 12000), 16000);
  for (long n = 500; n < 15500; ++n) ASSERT_NEAR(there.samples.at<float>(n), 0, 1e-3);
}

TEST(Resampled, LeavesTheSameRateAlone) {
  const sound a = sweep(100, 8000, 440, 440);
  EXPECT_TRUE(resampled(a, 8000).samples.same_as(a.samples));
}

TEST(Resampled, RefusesWhatMakesNoSense) {
  EXPECT_THAT(message_of([] {
                resampled({tensor({3}), 8000}, 0);
              }),
              HasSubstr("expected rates from 1 to 2^24; found 8000 and 0"));
  EXPECT_THROW(resampled({tensor({0}), 8000}, 16000), shape_error);
  EXPECT_GE(resampled({tensor({1}), 8000}, 1).samples.size(), 1);
}

}  // namespace
}  // namespace qkv
