#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {
namespace {

using testing::ElementsAre;

tensor counting(shape s) {
  std::vector<float> values(std::size_t(count_of(s)));
  std::iota(values.begin(), values.end(), 0.0f);
  return tensor(std::move(s), std::move(values));
}

bool shares_storage(const tensor& a, const tensor& b) { return a.data<float>() == b.data<float>(); }

TEST(Slice, SharesStorage) {
  const tensor t = counting({4, 3});
  const tensor s = t.slice(0, 1, 3);
  EXPECT_THAT(s.shape(), ElementsAre(2, 3));
  EXPECT_EQ(s.at<float>(0, 0), 3);
  s.at<float>(1, 2) = 99;
  EXPECT_EQ(t.at<float>(2, 2), 99);
  EXPECT_TRUE(s.contiguous());
  EXPECT_FALSE(t.slice(1, 0, 2).contiguous());
}

TEST(Slice, OfASliceCountsFromItsOwnStart) {
  const tensor t = counting({5, 6}).slice(0, 1, 5).slice(-1, 2, 6).slice(0, 1, 3).slice(1, 1, 2);
  EXPECT_THAT(t.to_contiguous().values<float>(), ElementsAre(15, 21));
}

TEST(Slice, MayBeEmptyEvenAtTheEnd) {
  const tensor t = counting({3}).slice(0, 3, 3);
  EXPECT_EQ(t.size(), 0);
  EXPECT_EQ(t.clone().size(), 0);
}

TEST(Slice, RefusesWhatLiesOutside) {
  const tensor t = counting({3, 2});
  EXPECT_THROW(t.slice(0, -1, 2), shape_error);
  EXPECT_THROW(t.slice(0, 2, 1), shape_error);
  EXPECT_THROW(t.slice(2, 0, 1), shape_error);
  try {
    t.slice(0, 1, 4);
    FAIL() << "no exception";
  } catch (const shape_error& e) {
    EXPECT_STREQ(e.what(), "tensor::slice: expected 0 <= from <= to <= 3 for axis 0 of [3, 2]; found from 1 to 4");
  }
}

TEST(Select, DropsTheAxis) {
  const tensor t = counting({2, 3, 2});
  EXPECT_THAT(t.select(1, 2).shape(), ElementsAre(2, 2));
  EXPECT_THAT(t.select(1, 2).to_contiguous().values<float>(), ElementsAre(4, 5, 10, 11));
  EXPECT_EQ(t.select(0, 1).select(0, 0).select(-1, 1).item(), 7);
  EXPECT_THROW(t.select(0, 2), shape_error);
  EXPECT_THROW(t.select(0, -1), shape_error);
}

TEST(Transpose, SwapsTwoAxesWithoutACopy) {
  const tensor t = counting({2, 3});
  const tensor u = t.transpose(0, -1);
  EXPECT_TRUE(shares_storage(t, u));
  EXPECT_THAT(u.to_contiguous().values<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_TRUE(u.transpose(0, 1).same_as(t));
  EXPECT_THROW(t.transpose(0, 2), shape_error);
}

TEST(Reshape, OfDenseElementsCopiesNothing) {
  const tensor t = counting({4, 6});
  EXPECT_TRUE(shares_storage(t, t.reshape({2, 2, 3, 2})));
  EXPECT_THAT(t.reshape({3, -1}).shape(), ElementsAre(3, 8));
  EXPECT_TRUE(shares_storage(t.slice(0, 1, 3), t.slice(0, 1, 3).reshape({12})));
}

TEST(Reshape, CutsAndJoinsOnlyTheAxesThatAllowIt) {
  const tensor rows = counting({4, 6}).slice(1, 0, 4);  // gaps between rows
  const tensor cut = rows.reshape({2, 2, 1, 2, 2});
  EXPECT_TRUE(shares_storage(rows, cut));
  EXPECT_THAT(cut.clone().values<float>(), ElementsAre(0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, 18, 19, 20, 21));
  EXPECT_FALSE(shares_storage(rows, rows.reshape({16})));
  EXPECT_THAT(rows.reshape({16}).values<float>(), ElementsAre(0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, 18, 19, 20, 21));
}

TEST(Reshape, OfATransposedViewCopies) {
  const tensor t = counting({2, 3}).transpose(0, 1);
  const tensor flat = t.reshape({6});
  EXPECT_FALSE(shares_storage(t, flat));
  EXPECT_THAT(flat.values<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(Reshape, OfATransposedViewSharesWhereAxesStayWhole) {
  const tensor t = counting({2, 3, 4}).transpose(0, 1);
  const tensor u = t.reshape({3, 1, 2, 2, 2});
  EXPECT_TRUE(shares_storage(t, u));
  EXPECT_EQ(u.item({2, 0, 1, 1, 0}), t.item({2, 1, 2}));
}

TEST(Reshape, SeesThroughAxesOfSizeOne) {
  const tensor t = counting({3, 1, 4}).transpose(0, 1).slice(2, 0, 3);
  const tensor u = t.reshape({3, 3});
  EXPECT_TRUE(shares_storage(t, u));
  EXPECT_THAT(u.strides(), ElementsAre(4, 1));
}

TEST(Reshape, OfARepeatedAxisKeepsItRepeated) {
  const std::vector<float> row{1, 2, 3};
  const tensor t = tensor::borrow(row.data(), {4, 3}, {0, 1});
  EXPECT_THAT(t.reshape({2, 2, 3}).strides(), ElementsAre(0, 0, 1));
  EXPECT_THAT(t.reshape({12}).values<float>(), ElementsAre(1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3));
}

TEST(Reshape, RefusesAnotherNumberOfElements) {
  const tensor t = counting({2, 3});
  try {
    t.reshape({4, -1});
    FAIL() << "no exception";
  } catch (const shape_error& e) {
    EXPECT_STREQ(e.what(), "tensor::reshape: expected a shape of 6 elements, as [2, 3] has; found [4, -1]");
  }
  EXPECT_THROW(t.reshape({7}), shape_error);
  EXPECT_THROW(t.reshape({-1, -1}), shape_error);
}

}  // namespace
}  // namespace qkv
