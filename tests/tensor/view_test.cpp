#include "qkv/tensor/view.h"

#include <gtest/gtest.h>

#include <vector>

namespace qkv {
namespace {

TEST(View, WalksADenseArrayRowMajor) {
  std::vector<float> numbers{0, 1, 2, 3, 4, 5};
  const auto v = view<float, 2>::dense(numbers.data(), {2, 3});
  EXPECT_EQ(v.strides, (std::array<long, 2>{3, 1}));
  EXPECT_EQ(v.size(), 6);
  EXPECT_EQ(v(1, 2), 5);
  v(0, 1) = 9;
  EXPECT_EQ(numbers[1], 9);
}

TEST(View, MayRunBackwardsOrStandStill) {
  std::vector<int> numbers{1, 2, 3};
  const view<int, 1> backwards{numbers.data() + 2, {3}, {-1}};
  EXPECT_EQ(backwards(0), 3);
  EXPECT_EQ(backwards(2), 1);
  const view<int, 2> repeated{numbers.data(), {4, 3}, {0, 1}};
  EXPECT_EQ(repeated(3, 1), 2);
}

TEST(View, OfMutableElementsIsAlsoAViewOfConstOnes) {
  float x = 1;
  const view<float, 1> writable{&x, {1}, {1}};
  const view<const float, 1> readable = writable;
  EXPECT_EQ(readable(0), 1);
}

}  // namespace
}  // namespace qkv
