// Some examples of every class are kept apart, always the same.
#include "qkv/train/chosen_examples.h"

#include <gmock/gmock.h>

namespace qkv {
namespace {

/// Examples that are only classes; patches tell which one is which.
class only_classes : public labelled_examples {
 public:
  explicit only_classes(std::vector<std::int32_t> targets) : targets_(std::move(targets)) {}
  long size() const override { return long(targets_.size()); }
  std::int32_t target(long index) const override { return targets_[std::size_t(index)]; }
  encoder_example example(long index) const override { return {.patches = tensor::full({1, 1}, double(index))}; }
  encoder_example changed(long index, random_stream, std::uint64_t) const override { return example(-index); }

 private:
  std::vector<std::int32_t> targets_;
};

float number_of(const encoder_example& e) { return e.patches.at<float>(0, 0); }

TEST(ChosenExamples, AreThoseOfTheWhole) {
  const chosen_examples some(std::make_shared<only_classes>(std::vector<std::int32_t>{5, 6, 7}), {2, 0});
  EXPECT_EQ(some.size(), 2);
  EXPECT_EQ(some.target(0), 7);
  EXPECT_EQ(number_of(some.example(1)), 0);
  EXPECT_EQ(number_of(some.changed(0, {}, 0)), -2);
}

TEST(ChosenExamples, KeepATenthOfSmallClassesApartAndAFiftiethOfLargeOnes) {
  std::vector<std::int32_t> targets(1000, 0);
  targets.insert(targets.end(), 30, 1);
  targets.insert(targets.end(), 1, 2);
  const auto [learn, validate] = with_some_kept_apart(std::make_shared<only_classes>(targets));
  std::vector<long> kept(3), learned(3);
  for (long i = 0; i < validate->size(); ++i) ++kept[std::size_t(validate->target(i))];
  for (long i = 0; i < learn->size(); ++i) ++learned[std::size_t(learn->target(i))];
  EXPECT_THAT(kept, ::testing::ElementsAre(20, 3, 0));
  EXPECT_THAT(learned, ::testing::ElementsAre(980, 27, 1));
  EXPECT_EQ(number_of(validate->example(0)), 1);
  EXPECT_EQ(number_of(validate->example(1)), 51);
}

}  // namespace
}  // namespace qkv
