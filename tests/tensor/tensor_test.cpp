#include "qkv/tensor/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "tests/base/message_of.h"

namespace qkv {
namespace {

using testing::ElementsAre;

/// 0, 1, 2, ... in the given shape.
tensor counting(shape s) {
  std::vector<float> values(std::size_t(count_of(s)));
  std::iota(values.begin(), values.end(), 0.0f);
  return tensor(std::move(s), std::move(values));
}

TEST(Shape, CountsItsElements) {
  EXPECT_EQ(count_of({}), 1);
  EXPECT_EQ(count_of({2, 3}), 6);
  EXPECT_EQ(count_of({2, 0, 3}), 0);
  EXPECT_EQ(to_string(shape{2, 3}), "[2, 3]");
  EXPECT_EQ(to_string(shape{}), "[]");
}

TEST(Shape, RefusesNegativeSizesAndOverflow) {
  EXPECT_EQ(message_of([] { count_of({2, -1}); }), "shape: expected sizes of 0 or more; found [2, -1]");
  EXPECT_THROW(count_of({1L << 32, 1L << 32}), shape_error);
  EXPECT_EQ(count_of({1L << 32, 1L << 32, 0}), 0);
  EXPECT_THROW(tensor(shape{1L << 62}), shape_error);  // its bytes overflow
}

TEST(Tensor, StartsWithZeros) {
  { const tensor dirty = tensor::full({64}, 7); }  // its memory is handed out again
  const tensor t({8, 8});
  for (const float x : t.values<float>()) EXPECT_EQ(x, 0);
  EXPECT_EQ(t.type(), dtype::float32);
}

TEST(Tensor, TakesValuesRowMajor) {
  const tensor t({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(t.at<float>(0, 2), 3);
  EXPECT_EQ(t.at<float>(1, 0), 4);
  EXPECT_THAT(t.strides(), ElementsAre(3, 1));
  EXPECT_EQ(message_of([] { tensor({2, 3}, {1, 2}); }), "tensor: expected 6 values for shape [2, 3]; found 2");
}

TEST(Tensor, HoldsEveryElementType) {
  EXPECT_EQ(tensor({1}, std::vector<std::int32_t>{7}).type(), dtype::int32);
  EXPECT_EQ(tensor({1}, std::vector<double>{0.1}).item(), 0.1);
  EXPECT_EQ(tensor({1}, std::vector<bfloat16>{bfloat16(0.5f)}).item(), 0.5);
  EXPECT_EQ(tensor::full({2}, 3, dtype::int32).at<std::int32_t>(1), 3);
}

TEST(Tensor, OfRankZeroHoldsOneElement) {
  const tensor t(shape{}, {42});
  EXPECT_EQ(t.rank(), 0);
  EXPECT_EQ(t.size(), 1);
  EXPECT_EQ(t.item(), 42);
  EXPECT_EQ(t.at<float>(), 42);
  EXPECT_TRUE(t.contiguous());
  EXPECT_EQ(t.clone().item(), 42);
  EXPECT_EQ(t.to(dtype::float64).item(), 42);
  t.fill(1);
  EXPECT_EQ(t.item(), 1);
  EXPECT_THAT(t.reshape({1, 1}).shape(), ElementsAre(1, 1));
  EXPECT_THROW(t.dim(0), shape_error);
}

TEST(Tensor, MayHaveAxesOfSizeZero) {
  const tensor t({2, 0, 3});
  EXPECT_EQ(t.size(), 0);
  EXPECT_FALSE(t.empty());
  EXPECT_TRUE(t.contiguous());
  EXPECT_EQ(t.clone().size(), 0);
  EXPECT_EQ(t.transpose(0, 2).to_contiguous().dim(0), 3);
  EXPECT_EQ(t.to(dtype::bfloat16).size(), 0);
  EXPECT_THAT(t.reshape({0, 5}).shape(), ElementsAre(0, 5));
  EXPECT_TRUE(t.values<float>().empty());
  t.fill(1);
  EXPECT_THROW(t.reshape({-1, 0}), shape_error);
}

TEST(Tensor, WithoutStorageIsEmptyAndRefusesToBeRead) {
  const tensor t;
  EXPECT_TRUE(t.empty());
  EXPECT_EQ(t.size(), 0);
  EXPECT_THROW(t.data<float>(), unsupported_error);
  EXPECT_THROW(t.item(), shape_error);
  EXPECT_THROW(t.clone(), shape_error);
  EXPECT_THROW(t.fill(1), shape_error);
  EXPECT_THROW(t.reshape({1}), shape_error);
  EXPECT_THROW(tensor({1}).copy_from(t), shape_error);
}

TEST(Tensor, CountsNegativeAxesFromTheEnd) {
  const tensor t({2, 3, 4});
  EXPECT_EQ(t.dim(-1), 4);
  EXPECT_EQ(t.dim(-3), 2);
  EXPECT_EQ(message_of([&] { t.dim(3); }), "tensor::dim: expected an axis of float32 [2, 3, 4]; found axis 3");
}

TEST(Tensor, GivesItsElementsOnlyAsTheTypeTheyHave) {
  const tensor t({2});
  EXPECT_EQ(t.data<const float>(), t.data<float>());
  EXPECT_EQ(message_of([&] { t.data<std::int32_t>(); }),
            "tensor::data: expected int32 elements; found float32 [2]; convert with to()");
}

TEST(Tensor, ChecksEveryIndex) {
  const tensor t({2, 3});
  EXPECT_EQ(message_of([&] { t.at<float>(0, 3); }), "tensor::at: expected an index of float32 [2, 3]; found [0, 3]");
  EXPECT_THROW(t.at<float>(-1, 0), shape_error);
  EXPECT_THROW(t.at<float>(0), shape_error);
  EXPECT_THROW(t.item(), shape_error);
}

TEST(Tensor, IsAHandle) {
  const tensor t({3});
  const tensor copy = t;
  copy.at<float>(1) = 5;
  EXPECT_EQ(t.item({1}), 5);
  EXPECT_TRUE(copy.same_as(t));
  EXPECT_FALSE(t.clone().same_as(t));
  EXPECT_FALSE(t.slice(0, 0, 2).same_as(t));
}

TEST(Tensor, BorrowsMemoryOfTheCaller) {
  std::vector<double> memory{1, 2, 3, 4, 5, 6};
  const tensor t = tensor::borrow(memory.data(), {3, 2});
  EXPECT_EQ(t.type(), dtype::float64);
  t.at<double>(2, 1) = 9;
  EXPECT_EQ(memory[5], 9);
  const tensor readable = tensor::borrow(static_cast<const double*>(memory.data()), {6});
  EXPECT_EQ(readable.item({0}), 1);
  EXPECT_THROW(tensor::borrow(memory.data(), {3, 2}, {1}), shape_error);
  EXPECT_THROW(tensor::borrow(static_cast<float*>(nullptr), {1}), shape_error);
}

TEST(Tensor, BorrowsWithAnyStrides) {
  std::vector<float> memory{1, 2, 3, 4};
  const tensor backwards = tensor::borrow(memory.data() + 3, {4}, {-1});
  EXPECT_FALSE(backwards.contiguous());
  EXPECT_THAT(backwards.to_contiguous().values<float>(), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(backwards.slice(0, 1, 3).to_contiguous().values<float>(), ElementsAre(3, 2));
  const tensor repeated = tensor::borrow(memory.data(), {2, 2}, {0, 1});
  EXPECT_THAT(repeated.to_contiguous().values<float>(), ElementsAre(1, 2, 1, 2));
  EXPECT_THROW(repeated.values<float>(), shape_error);
}

TEST(TensorView, HasTheSameElements) {
  const tensor t = counting({2, 3, 4}).transpose(0, 2);
  const auto v = t.view<const float, 3>();
  for (long i = 0; i < 4; ++i)
    for (long j = 0; j < 3; ++j)
      for (long k = 0; k < 2; ++k) EXPECT_EQ(v(i, j, k), t.item({i, j, k}));
  EXPECT_EQ(message_of([&] { t.view<float, 2>(); }), "tensor::view: expected rank 2; found float32 [4, 3, 2]");
  EXPECT_THROW((t.view<double, 3>()), unsupported_error);
}

}  // namespace
}  // namespace qkv
