// finite_watch: the first operation with a number that is not finite is named, forward and backward.
#include "qkv/autograd/autograd.h"

#include <gmock/gmock.h>

#include <limits>

namespace qkv {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(FiniteWatch, NamesTheFirstOutcomeThatIsNot) {
  const variable x(tensor::full({2, 3}, 1e30)), w(tensor::full({4, 3}, 1e30), needs_gradient);
  const finite_watch watch;
  relu(linear(x, w));
  ASSERT_TRUE(watch.found());
  EXPECT_EQ(watch.found()->operation, "linear");
  EXPECT_EQ(watch.found()->number, 1);
  EXPECT_FALSE(watch.found()->in_backward);
  EXPECT_TRUE(watch.found()->reads(w));
  EXPECT_FALSE(watch.found()->reads(x)) << "a constant is not on the tape";
  EXPECT_EQ(in_words(watch.found()->odd), "inf at [0, 0] of [2, 4]");
}

TEST(FiniteWatch, NamesTheLeafBeforeAnOperationThatReadsNone) {
  const variable x(tensor::full({1, 2}, 3e38), needs_gradient), w(tensor::full({2, 2}, 0.5), needs_gradient);
  const variable y = linear(x, w);
  const finite_watch watch;
  const variable z = linear(x, w);
  add(y, z);
  ASSERT_TRUE(watch.found());
  EXPECT_EQ(watch.found()->operation, "add");
  EXPECT_EQ(watch.found()->number, 2);
  EXPECT_FALSE(watch.found()->reads(w));
  EXPECT_TRUE(watch.found()->follows(w));
}

TEST(FiniteWatch, NamesTheFirstGradientThatIsNot) {
  const variable x(tensor::full({1, 2}, 1), needs_gradient), w(tensor::full({2, 2}, 1), needs_gradient);
  const variable y = linear(x, w);
  const finite_watch watch;
  backward(y, tensor::full({1, 2}, 3e38));
  ASSERT_TRUE(watch.found());
  EXPECT_TRUE(watch.found()->in_backward);
  EXPECT_EQ(watch.found()->operation, "linear");
}

TEST(FiniteWatch, FindsNothingInFiniteNumbersAndEndsWithItsLife) {
  const variable w(tensor::full({2, 2}, 1), needs_gradient);
  const finite_watch outer;
  {
    const finite_watch inner;
    linear(variable(tensor::full({1, 2}, infinity)), w);
    EXPECT_TRUE(inner.found());
  }
  EXPECT_FALSE(outer.found());
  linear(variable(tensor::full({1, 2}, 1)), w);
  EXPECT_FALSE(outer.found());
}

TEST(FirstNotFinite, SaysWhereItStands) {
  tensor t({2, 3, 4});
  EXPECT_FALSE(first_not_finite(t));
  t.at<float>(1, 2, 0) = -infinity;
  EXPECT_EQ(in_words(*first_not_finite(t)), "-inf at [1, 2, 0] of [2, 3, 4]");
  t.at<float>(0, 0, 1) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(in_words(*first_not_finite(t)), "nan at [0, 0, 1] of [2, 3, 4]");
  EXPECT_FALSE(first_not_finite(tensor(shape{0})));
  EXPECT_FALSE(first_not_finite(tensor()));
}

}  // namespace
}  // namespace qkv
