#include "qkv/tensor/overlap.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace qkv {
namespace {

TEST(Overlap, SlicesThatAlternateAreApart) {
  const tensor joint({2, 5, 3, 4, 8});  // B T {q, k, v} H D
  const tensor q = joint.select(2, 0), k = joint.select(2, 1), v = joint.select(2, 2);
  EXPECT_FALSE(overlap(q, k));
  EXPECT_FALSE(overlap(v, q));
  EXPECT_TRUE(overlap(q, q));
  EXPECT_TRUE(overlap(q, joint));
  EXPECT_FALSE(overlaps_itself(q.transpose(1, 2)));
  EXPECT_FALSE(overlap(joint.slice(1, 0, 2).slice(3, 0, 2), joint.slice(1, 2, 5).slice(3, 1, 4)));
  EXPECT_TRUE(overlap(joint.slice(1, 0, 3).slice(3, 0, 2), joint.slice(1, 2, 5).slice(3, 1, 4)));
}

TEST(Overlap, SlicesThatAlternateAreApartInLongSequencesToo) {
  const tensor joint({1, 100'000, 2, 4, 8});  // B T {k, v} H D
  EXPECT_FALSE(overlap(joint.select(2, 0), joint.select(2, 1)));
  EXPECT_TRUE(overlap(joint.select(2, 0), joint.slice(1, 99'999, 100'000)));
}

TEST(Overlap, WhatIsElsewhereOrEmptyIsApart) {
  const tensor a({3, 4}), b({3, 4});
  EXPECT_FALSE(overlap(a, b));
  EXPECT_FALSE(overlap(a, tensor()));
  EXPECT_FALSE(overlap(a, a.slice(0, 1, 1)));
  EXPECT_FALSE(overlaps_itself(tensor({0, 4})));
}

TEST(Overlap, AStrideOfZeroRepeatsAPlace) {
  std::vector<float> memory(64);
  EXPECT_TRUE(overlaps_itself(tensor::borrow(memory.data(), {3, 4}, {0, 1})));
  EXPECT_FALSE(overlaps_itself(tensor::borrow(memory.data(), {1, 4}, {0, 1})));
  EXPECT_TRUE(overlaps_itself(tensor::borrow(memory.data(), {3, 4}, {3, 1})));
  EXPECT_FALSE(overlaps_itself(tensor::borrow(memory.data(), {3, 4}, {1, 3})));
}

TEST(Overlap, StridesThatLeaveMemoryCountAsOverlapping) {
  float x = 0;
  const view<float, 2> far{&x, {2, 2}, {1l << 60, 1}};
  EXPECT_TRUE(overlaps_itself(far));
  EXPECT_TRUE(overlap(far, far));
}

TEST(Overlap, SaysWhatListingEveryPlaceSays) {
  std::mt19937 random(1);
  const auto below = [&](long n) { return long(random() % unsigned(n)); };
  std::vector<float> memory(400);
  for (int trial = 0; trial < 3000; ++trial) {
    std::set<long> places[2];
    bool twice = false;
    std::array<view<float, 3>, 2> views;
    for (int n = 0; n < 2; ++n) {
      const long begin = 100 + below(60);
      std::array<long, 3> sizes, strides;
      for (int d = 0; d < 3; ++d) sizes[d] = 1 + below(4), strides[d] = below(30) - 8;
      views[n] = {memory.data() + begin, sizes, strides};
      for (long i = 0; i < sizes[0]; ++i)
        for (long j = 0; j < sizes[1]; ++j)
          for (long k = 0; k < sizes[2]; ++k)
            twice |= !places[n].insert(begin + i * strides[0] + j * strides[1] + k * strides[2]).second && n == 0;
    }
    bool common = false;
    for (const long place : places[0]) common |= places[1].contains(place);
    ASSERT_EQ(overlap(views[0], views[1]), common) << trial;
    ASSERT_EQ(overlaps_itself(views[0]), twice) << trial;
  }
}

}  // namespace
}  // namespace qkv
