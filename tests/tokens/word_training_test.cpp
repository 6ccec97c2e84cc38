#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qkv/base/error.h"
#include "qkv/tokens/training.h"
#include "tests/base/message_of.h"

namespace qkv {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> texts{"The cat, the hat.", "the cat sat ... the end."};

TEST(TrainedWords, AreNumberedByHowCommonTheyAre) {
  const tokenizer t = train_words(texts, {.least_count = 1, .lower_case = true});
  EXPECT_THAT(t.encode("<pad>"), ElementsAre(1, 1, 1)) << "three unknown words";
  EXPECT_EQ(t.token(4), "the");
  EXPECT_EQ(t.token(5), ".") << "as common as cat, and before it";
  EXPECT_EQ(t.token(6), "cat");
  EXPECT_EQ(t.vocabulary_size(), 4 + 8);
}

TEST(TrainedWords, LeaveOutWhatIsRareAndWhatIsTooMuch) {
  EXPECT_EQ(train_words(texts, {.least_count = 2}).vocabulary_size(), 4 + 3) << "the, cat and .";
  EXPECT_EQ(train_words(texts, {.largest_vocabulary = 6, .least_count = 1}).vocabulary_size(), 6);
}

TEST(TrainedWords, AreDecodedWithSpacesBetween) {
  const tokenizer t = train_words(texts, {.least_count = 1, .lower_case = true});
  EXPECT_EQ(t.decode(t.encode("The  cat SAT, the dog.")), "the cat sat , the .") << "<unk> is a special token";
  EXPECT_EQ(t.decode(t.encode("the dog."), specials::written), "the <unk> .");
  EXPECT_EQ(t.in_words(), "words with 12 tokens");
}

TEST(TrainedWords, TakeMarksOneByOneWhenAsked) {
  const tokenizer runs = train_words(texts, {.least_count = 1});
  const tokenizer single = train_words(texts, {.least_count = 1, .marks = punctuation::by_marks});
  EXPECT_EQ(runs.encode("...").size(), 1u);
  EXPECT_EQ(single.encode("...").size(), 3u);
}

TEST(TrainedWords, RefuseWhatCannotBeTrained) {
  const auto complaint = [](const std::vector<std::string>& from, const word_options& options) {
    return message_of<shape_error>([&] { train_words(from, options); });
  };
  EXPECT_THAT(complaint({"ok", "caf\xE9"}, {}), HasSubstr("found other bytes at byte 3 of text 1, counted from 0"));
  EXPECT_THAT(complaint({" \n"}, {}), HasSubstr("expected texts with at least one word; found empty ones"));
  EXPECT_THAT(complaint(texts, {.specials = {"<pad>"}}), HasSubstr("expected <unk> among the special tokens"));
  EXPECT_THAT(complaint(texts, {.largest_vocabulary = 4}), HasSubstr("larger than its 4 special tokens; found 4"));
}

TEST(Lines, AreWithoutTheirEnds) {
  EXPECT_THAT(lines_of("a\r\n\nb"), ElementsAre("a", "", "b"));
  EXPECT_THAT(lines_of("a\n"), ElementsAre("a"));
  EXPECT_TRUE(lines_of("").empty());
}

}  // namespace
}  // namespace qkv
