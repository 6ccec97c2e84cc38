#include "qkv/ops/concatenate.h"

#include <array>

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

TEST(Concatenate, PutsPartsSideBySideAndSplitTakesThemApart) {
  for (const int axis : {0, 1, 2, -1}) {
    const std::size_t along = axis < 0 ? 2 : std::size_t(axis);
    std::vector<tensor> parts;
    std::vector<long> sizes{2, 0, 3, 1};
    for (const long size : sizes) {
      shape s{2, 3, 4};
      s[along] = size;
      parts.push_back(random_tensor(s, std::uint64_t(size) + 1));
    }
    const tensor y = concatenate(parts, axis);
    EXPECT_EQ(y.dim(axis), 6);
    const auto again = split(y, sizes, axis);
    for (std::size_t i = 0; i < parts.size(); ++i) EXPECT_TRUE(same_bits(again[i], parts[i])) << axis;
    again[0].fill(9);  // a view
    EXPECT_EQ(y.at<float>(0, 0, 0), 9);
  }
}

TEST(Concatenate, KeepsIds) {
  const std::array parts{tensor(shape{2}, std::vector<std::int32_t>{1, 2}),
                         tensor(shape{1}, std::vector<std::int32_t>{3})};
  EXPECT_EQ(concatenate(parts, 0).at<std::int32_t>(2), 3);
}

TEST(Concatenate, RefusesWhatDoesNotFit) {
  const std::array parts{tensor({2, 3, 4}), tensor({3, 1, 4})};
  EXPECT_EQ(refusal([&] { concatenate(parts, 1); }), "concatenate: expected [2, any, 4]; found [3, 1, 4]");
  EXPECT_EQ(refusal([&] { concatenate(parts, 3); }), "concatenate: expected an axis of a tensor with 3 axes; found 3");
  EXPECT_EQ(refusal([] { concatenate({}, 0); }), "concatenate: expected at least one tensor; found nothing");
  EXPECT_EQ(refusal([] {
              split(tensor({12, 2}), std::array{5l, 6l}, 0);
            }),
            "split: expected sizes that sum to 12; found 11");
}

}  // namespace
}  // namespace qkv
