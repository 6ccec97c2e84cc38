#include "qkv/tokens/image_changes.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "tests/base/message_of.h"

namespace qkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

tensor counted(shape s) {
  tensor t(std::move(s));
  float n = 0;
  for (float& x : t.values<float>()) x = ++n;
  return t;
}

std::vector<float> numbers(const tensor& t) { return {t.values<float>().begin(), t.values<float>().end()}; }

TEST(ImageChanges, MirrorLeftForRight) {
  EXPECT_THAT(numbers(mirrored(counted({1, 3, 2}))), ElementsAre(5, 6, 3, 4, 1, 2));
  EXPECT_EQ(numbers(mirrored(mirrored(counted({4, 5, 3})))), numbers(counted({4, 5, 3})));
}

TEST(ImageChanges, ShiftsLetZerosIn) {
  EXPECT_THAT(numbers(shifted(counted({2, 2, 1}), 1, 0)), ElementsAre(0, 0, 1, 2));
  EXPECT_THAT(numbers(shifted(counted({2, 2, 1}), 0, -1)), ElementsAre(2, 0, 4, 0));
  EXPECT_THAT(numbers(shifted(counted({2, 2, 1}), -5, 5)), ElementsAre(0, 0, 0, 0));
}

TEST(ImageChanges, CropsTheMiddle) {
  EXPECT_THAT(numbers(centre_crop(counted({3, 4, 1}), 1, 2)), ElementsAre(6, 7));
  EXPECT_THAT(message_of([] { centre_crop(tensor({3, 4, 1}), 4, 4); }), HasSubstr("at least 4 x 4; found [3, 4, 1]"));
}

TEST(ImageChanges, ScalingKeepsWhatIsEven) {
  for (const auto& [height, width] : {std::pair{3L, 3L}, {28L, 28L}, {50L, 7L}}) {
    const tensor same = resized(tensor::full({11, 13, 3}, 0.5), height, width);
    ASSERT_EQ(same.shape(), (shape{height, width, 3}));
    for (const float x : numbers(same)) EXPECT_NEAR(x, 0.5, 1e-6);
  }
  EXPECT_EQ(numbers(resized(counted({4, 5, 2}), 4, 5)), numbers(counted({4, 5, 2})));
}

TEST(ImageChanges, ScalingIsLinearBetweenPixelsAndAMeanOfManyOfThem) {
  EXPECT_THAT(numbers(resized(tensor({1, 2, 1}, {0, 1}), 1, 4)), ElementsAre(0, 0.25, 0.75, 1));
  // Every eighth column is white: what remains is an eighth, wherever the pixels fall.
  tensor stripes({64, 64, 1});
  for (long y = 0; y < 64; ++y)
    for (long x = 0; x < 64; x += 8) stripes.at<float>(y, x, 0) = 1;
  const tensor small = resized(stripes, 8, 8);
  for (long x = 1; x < 7; ++x) EXPECT_NEAR(small.at<float>(4, x, 0), 0.125, 1e-5);
}

TEST(ImageChanges, AreAFunctionOfStreamAndIndex) {
  const tensor image = counted({6, 6, 1});
  std::set<std::vector<float>> crops, flips;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const random_stream random{7, 3};
    EXPECT_EQ(numbers(random_crop(image, 1, random, i)), numbers(random_crop(image, 1, random, i)));
    crops.insert(numbers(random_crop(image, 1, random, i)));
    flips.insert(numbers(random_flip(image, random, i)));
  }
  EXPECT_EQ(crops.size(), 9u);
  EXPECT_EQ(flips.size(), 2u);
  EXPECT_EQ(numbers(random_crop(image, 0, {7, 3}, 5)), numbers(image));
}

TEST(ImageChanges, RefuseWhatIsNoPicture) {
  EXPECT_THAT(message_of([] {
                mirrored(tensor({3, 4}));
              }),
              HasSubstr("mirrored: expected a picture [H, W, C] float32"));
  EXPECT_THROW(resized(tensor({3, 4, 1}), 0, 2), shape_error);
  EXPECT_THROW(random_crop(tensor({3, 4, 1}), -1, {}, 0), shape_error);
}

}  // namespace
}  // namespace qkv
