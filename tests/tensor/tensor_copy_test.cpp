#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {
namespace {

using testing::ElementsAre;

TEST(ToContiguous, IsTheTensorItselfWhenNothingIsToBeDone) {
  const tensor t({2, 3});
  EXPECT_TRUE(t.to_contiguous().same_as(t));
  EXPECT_FALSE(t.transpose(0, 1).to_contiguous().same_as(t));
}

TEST(CopyFrom, WritesIntoAnyStrides) {
  const tensor target({3, 2});
  target.transpose(0, 1).copy_from(tensor({2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(target.values<float>(), ElementsAre(1, 4, 2, 5, 3, 6));
  target.slice(1, 1, 2).copy_from(tensor({3, 1}, {7, 8, 9}));
  EXPECT_THAT(target.values<float>(), ElementsAre(1, 7, 2, 8, 3, 9));
}

TEST(CopyFrom, WalksFourStridedAxes) {
  std::vector<float> numbers(2 * 3 * 4 * 5);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = float(i);
  const tensor t = tensor({2, 3, 4, 5}, numbers).transpose(0, 3).transpose(1, 2);
  const tensor c = t.clone();
  for (long i = 0; i < 5; ++i)
    for (long j = 0; j < 4; ++j)
      for (long k = 0; k < 3; ++k)
        for (long l = 0; l < 2; ++l) EXPECT_EQ(c.item({i, j, k, l}), double(((l * 3 + k) * 4 + j) * 5 + i));
}

TEST(CopyFrom, RefusesAnotherShape) {
  EXPECT_THROW(tensor({2}).copy_from(tensor({3})), shape_error);
  EXPECT_THROW(tensor({2}).copy_from(tensor({2, 1})), shape_error);
}

TEST(To, ConvertsBetweenAllTypes) {
  const dtype types[] = {dtype::float32, dtype::bfloat16, dtype::int32, dtype::float64, dtype::int8};
  for (const dtype from : types) {
    for (const dtype to : types) {
      const tensor t = tensor::full({2, 2}, -3, from).to(to);
      EXPECT_EQ(t.type(), to);
      EXPECT_EQ(t.item({1, 1}), -3) << name_of(from) << " to " << name_of(to);
    }
  }
  const tensor t({1});
  EXPECT_TRUE(t.to(dtype::float32).same_as(t));
}

TEST(To, RoundsToBfloat16AndTruncatesToInt32) {
  EXPECT_EQ(tensor({1}, {1 + 0x1p-8}).to(dtype::bfloat16).item(), 1);
  const tensor t = tensor({4}, {1.9, -1.9, 0.5, -0.5}).to(dtype::int32);
  EXPECT_THAT(t.values<std::int32_t>(), ElementsAre(1, -1, 0, 0));
}

TEST(To, RefusesWhatInt32CannotHold) {
  EXPECT_THROW(tensor({1}, {3e9}).to(dtype::int32), shape_error);
  EXPECT_THROW(tensor({1}, {128}).to(dtype::int8), shape_error);
  EXPECT_THROW(tensor::full({1}, std::numeric_limits<double>::quiet_NaN()).to(dtype::int32), shape_error);
  EXPECT_EQ(tensor({1}, std::vector<double>{-2147483648.9}).to(dtype::int32).item(), -2147483648.0);
  EXPECT_EQ(tensor({1}, std::vector<double>{2147483647.9}).to(dtype::int32).item(), 2147483647.0);
}

TEST(Fill, ReachesOnlyTheElementsOfTheView) {
  const tensor t({3, 3});
  t.slice(0, 1, 3).slice(1, 0, 2).fill(5);
  EXPECT_THAT(t.values<float>(), ElementsAre(0, 0, 0, 5, 5, 0, 5, 5, 0));
  tensor::full({2}, 1, dtype::bfloat16).fill(0.25);
}

}  // namespace
}  // namespace qkv
