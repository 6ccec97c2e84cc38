#include <gmock/gmock.h>

#include "qkv/autograd/linear.h"
#include "qkv/autograd/record.h"
#include "qkv/autograd/views.h"
#include "qkv/base/memory.h"
#include "tests/autograd/gradient_check.h"
#include "tests/base/message_of.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

variable leaf(std::initializer_list<double> values) {
  return variable(tensor({long(values.size())}, values), needs_gradient);
}

TEST(Tape, AddsTheGradientsOfEveryPathThroughADiamond) {
  const variable x = leaf({3});
  const variable left = multiply(x, 2.0f), right = multiply(x, x);
  backward(sum(multiply(left, right)));  // 2 x^3
  EXPECT_FLOAT_EQ(x.gradient().at<float>(0), 54);
}

TEST(Tape, CountsAVariableAsOftenAsItIsUsed) {
  const variable x = leaf({2, 5});
  backward(sum(add(add(x, x), x)));
  EXPECT_FLOAT_EQ(x.gradient().at<float>(0), 3);
  EXPECT_FLOAT_EQ(x.gradient().at<float>(1), 3);
}

TEST(Tape, KeepsApartGradientsThatPassThroughSums) {
  // a and b receive the same gradient from the sum; adding to a's must not change b's.
  const variable a = leaf({1}), b = leaf({1});
  backward(sum(add(add(a, b), multiply(a, 10.0f))));
  EXPECT_FLOAT_EQ(a.gradient().at<float>(0), 11);
  EXPECT_FLOAT_EQ(b.gradient().at<float>(0), 1);
}

TEST(Tape, AccumulatesOverSeveralPassesUntilCleared) {
  const variable x = leaf({1});
  backward(sum(multiply(x, 2.0f)));
  backward(sum(multiply(x, 3.0f)));
  EXPECT_FLOAT_EQ(x.gradient().at<float>(0), 5);
  x.clear_gradient();
  EXPECT_TRUE(x.gradient().empty());
}

TEST(Tape, LeavesConstantsAlone) {
  const variable x = leaf({1}), constant(tensor({1}, {4}));
  backward(sum(multiply(x, constant)));
  EXPECT_TRUE(constant.gradient().empty());
  EXPECT_FLOAT_EQ(x.gradient().at<float>(0), 4);
}

TEST(Tape, NotesNothingUnderNoGradient) {
  const variable x = leaf({1});
  {
    const no_gradient values_only;
    EXPECT_FALSE(multiply(x, x).wants_gradient());
  }
  EXPECT_TRUE(multiply(x, x).wants_gradient());
  EXPECT_FALSE(multiply(x.detached(), x.detached()).wants_gradient());
}

TEST(Tape, RefusesALossOfSeveralElements) {
  const variable x = leaf({1, 2});
  EXPECT_THAT(message_of<shape_error>([&] { backward(multiply(x, x)); }),
              HasSubstr("backward: expected a loss of one element; found [2]"));
}

TEST(Tape, RefusesALossThatDependsOnNothing) {
  EXPECT_THAT(message_of<shape_error>([] { backward(variable(tensor({1}))); }), HasSubstr("needs_gradient"));
}

TEST(Tape, RefusesASecondWalk) {
  const variable x = leaf({1});
  const variable inner = multiply(x, x), loss = sum(inner);
  backward(loss);
  EXPECT_THAT(message_of<std::logic_error>([&] { backward(loss); }), HasSubstr("run the forward pass again"));
  EXPECT_THAT(message_of<std::logic_error>([&] { backward(sum(inner)); }), HasSubstr("'multiply'"));
}

TEST(Tape, RefusesAGradientOfAnotherShape) {
  const variable x = leaf({1, 2});
  const variable y = multiply(x, x);
  EXPECT_THAT(message_of<shape_error>([&] { backward(y, tensor({3})); }), HasSubstr("[2]; found [3]"));
}

TEST(Tape, FreesAVeryLongGraphThatWasNeverWalked) {
  variable x = leaf({1});
  for (int i = 0; i < 200000; ++i) x = add(x, x);
}

TEST(Tape, GivesTheSameBitsEveryTime) {
  const auto run = [] {
    const variable w(random_tensor({64, 48}, 1), needs_gradient), x(random_tensor({100, 48}, 2));
    backward(mean(gelu(linear(x, w))));
    return w.gradient().clone();
  };
  const tensor first = run();
  for (int i = 0; i < 3; ++i) {
    const tensor again = run();
    EXPECT_TRUE(std::ranges::equal(first.values<float>(), again.values<float>()));
  }
}

TEST(Tape, ReleasesWhatItPassesAndReusesItInTheNextStep) {
  const variable w(random_tensor({64, 64}, 1), needs_gradient), x(random_tensor({256, 64}, 2));
  const auto step = [&] {
    variable h = x;
    for (int i = 0; i < 8; ++i) h = linear(h, w);
    backward(mean(h));
    w.clear_gradient();
  };
  step();
  step();
  const auto before = memory_in_use();
  for (int i = 0; i < 5; ++i) step();
  const auto after = memory_in_use();
  EXPECT_EQ(before.allocations, after.allocations) << "blocks taken from the system";
  EXPECT_EQ(before.in_use, after.in_use);
}

}  // namespace
}  // namespace qkv
