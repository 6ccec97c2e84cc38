#include "qkv/tokens/patches.h"

#include <gmock/gmock.h>

#include "tests/base/message_of.h"

namespace qkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

tensor counted(shape s) {
  tensor t(std::move(s));
  float n = 0;
  for (float& x : t.values<float>()) x = n++;
  return t;
}

TEST(Patches, AreReadFromLeftToRightAndRowByRow) {
  const tensor p = patches(counted({4, 4, 1}), 2);
  ASSERT_EQ(p.shape(), (shape{4, 4}));
  EXPECT_THAT(p.select(0, 1).values<float>(), ElementsAre(2, 3, 6, 7));
  EXPECT_THAT(p.select(0, 2).values<float>(), ElementsAre(8, 9, 12, 13));
}

TEST(Patches, KeepThePicture) {
  const tensor image = counted({2, 6, 9, 3});
  const tensor p = patches(image, 3);
  EXPECT_EQ(p.shape(), (shape{2, 6, 27}));
  const tensor back = image_from_patches(p, 6, 9, 3);
  ASSERT_EQ(back.shape(), image.shape());
  EXPECT_TRUE(std::ranges::equal(back.values<float>(), image.values<float>()));
}

TEST(Patches, OfTheWholePictureAndOfSinglePixels) {
  const tensor image = counted({2, 2, 3});
  EXPECT_TRUE(std::ranges::equal(patches(image, 2).values<float>(), image.values<float>()));
  EXPECT_EQ(patches(image, 1).shape(), (shape{4, 3}));
}

TEST(Patches, RefuseSidesThatDoNotFit) {
  EXPECT_THAT(message_of([] {
                patches(tensor({28, 30, 1}), 7);
              }),
              HasSubstr("patches: expected sides that 7 divides; found 28 x 30"));
  EXPECT_THROW(patches(tensor({28, 28}), 7), shape_error);
  EXPECT_THROW(patches(tensor({28, 28, 1}), 0), shape_error);
  EXPECT_THROW(image_from_patches(tensor({4, 5}), 4, 4, 2), shape_error);
  EXPECT_THROW(image_from_patches(tensor({3, 4}), 4, 4, 2), shape_error);
  EXPECT_THROW(image_from_patches(tensor({3, 4}), 4, 4, 0), shape_error);
}

TEST(FramePatches, JoinFramesThatFollowEachOther) {
  const tensor p = frame_patches(counted({5, 2}), 2);
  ASSERT_EQ(p.shape(), (shape{2, 4}));
  EXPECT_THAT(p.select(0, 1).values<float>(), ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(frame_patches(counted({3, 5, 2}), 2).shape(), (shape{3, 2, 4}));
  EXPECT_THROW(frame_patches(counted({3, 2}), 4), shape_error);
}

}  // namespace
}  // namespace qkv
