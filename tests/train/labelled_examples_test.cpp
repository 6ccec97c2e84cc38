// What a classifier learns from: texts and sounds by number, as they are and as they might have been.
#include "qkv/train/labelled_examples.h"

#include <gmock/gmock.h>

#include "tests/base/message_of.h"
#include "tests/tokens/sounds.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

using texts = std::vector<std::vector<std::int32_t>>;

TEST(LabelledTexts, GiveTokensAndClassesAsTheyCame) {
  const labelled_texts all({{5, 6, 7}, {8}, {9, 9}}, {1, 0, 2});
  ASSERT_EQ(all.size(), 3);
  EXPECT_EQ(all.example(0).text, (std::vector<std::int32_t>{5, 6, 7}));
  EXPECT_EQ(all.example(1).text, (std::vector<std::int32_t>{8})) << "one token is enough";
  EXPECT_EQ(all.target(0), 1);
  EXPECT_EQ(all.target(1), 0);
  EXPECT_EQ(all.target(2), 2);
  EXPECT_TRUE(all.example(2).patches.empty());
  EXPECT_TRUE(all.example(2).frames.empty());
}

TEST(LabelledTexts, AreNeverChangedWhateverIsDrawn) {
  const labelled_texts all({{5, 6, 7}, {8, 9}}, {1, 0});
  for (const std::uint64_t seed : {1, 2})
    for (const std::uint64_t draw : {0, 1, 100})
      for (long i = 0; i < 2; ++i) EXPECT_EQ(all.changed(i, {seed, 3}, draw).text, all.example(i).text);
}

TEST(LabelledTexts, MayBeNone) { EXPECT_EQ(labelled_texts({}, {}).size(), 0); }

TEST(LabelledTexts, RefuseAnotherNumberOfClassesAndTextsWithoutTokens) {
  const auto complaint = [](texts these, std::vector<std::int32_t> targets) {
    return message_of<shape_error>([&] { labelled_texts(std::move(these), std::move(targets)); });
  };
  EXPECT_THAT(complaint({{1}, {2}}, {0}), HasSubstr("expected 2 classes, one for each text; found 1"));
  EXPECT_THAT(complaint({}, {0}), HasSubstr("expected 0 classes, one for each text; found 1"));
  EXPECT_THAT(complaint({{1}, {}}, {0, 1}), HasSubstr("expected texts of at least one token; found an empty one"));
}

TEST(LabelledSounds, ChangeAsAFunctionOfTheirNumbers) {
  const labelled_sounds all({sweep(2400, 8000, 300, 1500), sweep(2400, 8000, 1500, 300)}, {1, 0}, {.seconds = 0.3},
                            {.speed = 0.1, .delay = 0.02, .bands = 4, .frames = 2});
  const auto numbers = [](const encoder_example& e) {
    const auto values = e.frames.values<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  EXPECT_EQ(all.target(0), 1);
  EXPECT_EQ(numbers(all.example(0)), numbers(all.example(0)));
  EXPECT_EQ(numbers(all.changed(0, {7, 8}, 5)), numbers(all.changed(0, {7, 8}, 5)));
  EXPECT_NE(numbers(all.changed(0, {7, 8}, 5)), numbers(all.changed(0, {7, 8}, 6)));
  EXPECT_NE(numbers(all.changed(0, {7, 8}, 5)), numbers(all.changed(0, {9, 8}, 5)));
}

TEST(LabelledSounds, WithoutChangesAreAsTheyAre) {
  const labelled_sounds all({sweep(2400, 8000, 300, 1500)}, {0}, {.seconds = 0.3});
  EXPECT_TRUE(std::ranges::equal(all.changed(0, {7, 8}, 5).frames.values<float>(),
                                 all.example(0).frames.values<float>()));
}

TEST(LabelledSounds, RefuseAnotherNumberOfClassesAndNone) {
  EXPECT_THAT(message_of<shape_error>([] { labelled_sounds({}, {}, {.seconds = 0.3}); }),
              HasSubstr("found 0 examples and 0 classes"));
  EXPECT_THAT(message_of<shape_error>([] { labelled_sounds({sweep(800, 8000, 300, 600)}, {0, 1}, {.seconds = 0.3}); }),
              HasSubstr("found 1 examples and 2 classes"));
}

}  // namespace
}  // namespace qkv
