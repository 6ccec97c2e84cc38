#include "qkv/tokens/reading.h"

#include <gmock/gmock.h>

#include "qkv/tokens/sound_changes.h"
#include "tests/base/message_of.h"
#include "tests/tokens/sounds.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

TEST(PictureReading, TakesPicturesOfAnySizeAndColour) {
  const picture_reading how{.height = 8, .width = 12, .channels = 3, .side = 4};
  for (const shape& s : {shape{8, 12, 3}, {8, 12, 1}, {100, 30, 3}, {5, 200, 1}, {1, 1, 1}})
    EXPECT_EQ(patches_read(tensor::full(s, 1), how).shape(), (shape{6, 48})) << to_string(s);
  const tensor white = patches_read(tensor::full({9, 9, 3}, 1), {.height = 4, .width = 4, .side = 2});
  for (const float x : white.values<float>()) EXPECT_NEAR(x, 1, 1e-5);
}

TEST(PictureReading, TakesTheMiddleOfAPictureThatIsTooWide) {
  tensor wide({4, 12, 1});
  for (long y = 0; y < 4; ++y)
    for (long x = 4; x < 8; ++x) wide.at<float>(y, x, 0) = 1;
  const tensor middle = fitted(wide, picture_reading{.height = 4, .width = 4, .side = 2});
  for (const float x : middle.values<float>()) EXPECT_EQ(x, 1);
}

TEST(SoundReading, HearsAnyRateAndAnyLoudness) {
  const sound_reading how;
  const sound loud = sweep(8000, 8000, 200, 3000);
  sound quiet{loud.samples.clone(), loud.rate};
  for (float& x : quiet.samples.values<float>()) x /= 16;
  const tensor a = frames_read(loud, how), b = frames_read(quiet, how),
               c = frames_read(sweep(44100, 44100, 200, 3000), how);
  ASSERT_EQ(a.shape(), (shape{25, 160}));
  ASSERT_EQ(c.shape(), a.shape());
  double worst = 0, from_another_rate = 0;
  for (std::size_t i = 0; i < std::size_t(a.size()); ++i) {
    worst = std::max(worst, std::abs(double(a.values<float>()[i]) - double(b.values<float>()[i])));
    from_another_rate += std::abs(double(a.values<float>()[i]) - double(c.values<float>()[i])) / double(a.size());
  }
  EXPECT_LT(worst, 1e-3);
  EXPECT_LT(from_another_rate, 0.1);
}

TEST(SoundReading, HearsShortSoundsAndTheBeginningOfLongOnes) {
  const sound_reading how;
  EXPECT_EQ(frames_read(sweep(3, 8000, 200, 300), how).shape(), (shape{1, 160}));
  EXPECT_EQ(frames_read(sweep(80000, 8000, 200, 300), how).shape(), (shape{25, 160}));
  EXPECT_EQ(frames_read(sweep(4000, 8000, 200, 300), how).shape(), (shape{12, 160}));
}

TEST(Reading, SurvivesItsTextForm) {
  const picture_reading picture{.height = 8, .width = 12, .channels = 3, .side = 2, .mean = 0.25, .deviation = 0.125};
  EXPECT_EQ(picture_reading_from_json(to_json(picture)), picture);
  sound_reading hearing;
  hearing.mel.scale = mel_scale::htk;
  hearing.mel.highest = 3500;
  hearing.seconds = 2.5;
  EXPECT_EQ(sound_reading_from_json(to_json(hearing)), hearing);
  EXPECT_THAT(message_of([] { picture_reading_from_json("{\"depth\": 3}"); }), HasSubstr("found \"depth\""));
}

TEST(Reading, RefusesNumbersThatMakeNoSense) {
  EXPECT_THAT(message_of([] { check(picture_reading{.side = 5}); }), HasSubstr("found 5 for 28 x 28"));
  EXPECT_THROW(check(picture_reading{.channels = 2}), shape_error);
  EXPECT_THROW(check(sound_reading{.seconds = 0.01}), shape_error);
  EXPECT_THROW(patches_read(tensor({3, 3}), {}), shape_error);
}

TEST(SoundChanges, AreAFunctionOfStreamAndIndex) {
  const sound a = sweep(4000, 8000, 200, 3000);
  const random_stream random{5, 6};
  long shortest = 1 << 20, longest = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const long length = random_speed(a, 0.1, random, i).samples.size();
    EXPECT_EQ(random_speed(a, 0.1, random, i).samples.size(), length);
    shortest = std::min(shortest, length), longest = std::max(longest, length);
  }
  EXPECT_NEAR(double(shortest), 4000 / 1.1, 50);
  EXPECT_NEAR(double(longest), 4000 / 0.9, 50);
  const sound later = random_delay(a, 100, random, 3);
  const long delay = later.samples.size() - 4000;
  EXPECT_TRUE(delay >= 0 && delay <= 100);
  EXPECT_EQ(later.samples.at<float>(delay + 17), a.samples.at<float>(17));
}

TEST(SoundChanges, MasksHideAPieceAndABand) {
  const tensor ones = tensor::full({50, 20}, 1);
  for (std::uint64_t i = 0; i < 50; ++i) {
    const tensor masked = random_masks(ones, 4, 10, {5, 6}, i);
    long frames = 0, bands = 0;
    for (long t = 0; t < 50; ++t) frames += masked.at<float>(t, 0) == 0 && masked.at<float>(t, 19) == 0;
    for (long m = 0; m < 20; ++m) bands += masked.at<float>(0, m) == 0 && masked.at<float>(49, m) == 0;
    EXPECT_LE(frames, 10);
    EXPECT_LE(bands, 4);
  }
  EXPECT_EQ(ones.at<float>(0, 0), 1) << "what was given stays as it is";
  EXPECT_EQ(random_masks(tensor({1, 1}), 4, 10, {5, 6}, 1).shape(), (shape{1, 1}));
}

}  // namespace
}  // namespace qkv
