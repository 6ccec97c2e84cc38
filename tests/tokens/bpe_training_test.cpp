#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qkv/base/error.h"
#include "qkv/base/threads.h"
#include "qkv/tokens/training.h"
#include "tests/base/message_of.h"
#include "tests/tokens/sample_lines.h"

namespace qkv {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> names(const tokenizer& t, std::string_view text) {
  std::vector<std::string> all;
  for (const std::int32_t id : t.encode(text)) all.push_back(t.token(id));
  return all;
}

tokenizer trained(std::vector<std::string> texts, long merges, long least_count = 1) {
  return train_byte_level_bpe(texts, {.vocabulary = 256 + merges, .least_count = least_count, .specials = {}});
}

/// The worked example of Sennrich et al. 2016, section 3.2, without its mark for the end of a word.
std::vector<std::string> sennrich() {
  std::string text;
  for (int i = 0; i < 5; ++i) text += "low\t";
  for (int i = 0; i < 2; ++i) text += "lower\t";
  for (int i = 0; i < 6; ++i) text += "newest\t";
  for (int i = 0; i < 3; ++i) text += "widest\t";
  return {text};
}

TEST(BytePairs, AreMergedCommonestFirst) {
  // e s: 9 times, as often as s t and then es t; l o: 7 times, then lo w.
  const tokenizer t = trained(sennrich(), 4);
  EXPECT_EQ(t.token(256), "es");
  EXPECT_EQ(t.token(257), "est");
  EXPECT_EQ(t.token(258), "lo");
  EXPECT_EQ(t.token(259), "low");
  EXPECT_THAT(names(t, "lowest"), ElementsAre("low", "est"));
}

TEST(BytePairs, OfEqualCountAreMergedInTheOrderOfTheirTokens) {
  EXPECT_EQ(trained({"bd\tac\tbd\tac"}, 1).token(256), "ac");
  EXPECT_EQ(trained({"ad\tac\tad\tac"}, 1).token(256), "ac");
}

TEST(BytePairs, StopWhenNoneIsCommonEnough) {
  EXPECT_EQ(trained({"ab"}, 100).vocabulary_size(), 257) << "ab, and then nothing is left";
  EXPECT_EQ(trained({"ab ab"}, 100, 3).vocabulary_size(), 256);
}

TEST(BytePairs, DoNotReachOverWordsOrTexts) {
  const tokenizer t = trained({"a", "b", "a", "b", "x y", "x y"}, 100);
  EXPECT_THAT(names(t, "ab"), ElementsAre("a", "b"));
  EXPECT_THAT(names(t, "x y"), ElementsAre("x", "Ġy"));
}

TEST(BytePairs, OfEqualBytesAreFoundInRuns) {
  const tokenizer t = trained({"aaaaaaaa"}, 3);
  EXPECT_THAT(names(t, "aaaaaaaaaaa"), ElementsAre("aaaaaaaa", "aa", "a"));
}

TEST(BytePairs, AreTheSameForAnyOrderOfTextsAndNumberOfThreads) {
  std::vector<std::string> lines = sample_lines();
  const std::string once = train_byte_level_bpe(lines, {.vocabulary = 600}).to_json();
  std::ranges::reverse(lines);
  const int threads = thread_count();
  set_thread_count(3);
  EXPECT_EQ(train_byte_level_bpe(lines, {.vocabulary = 600}).to_json(), once);
  set_thread_count(threads);
}

TEST(BytePairs, NeverMakeASpecialToken) {
  const std::vector<std::string> texts{"xyz xyz xyz"};
  const tokenizer t = train_byte_level_bpe(texts, {.vocabulary = 300, .least_count = 1, .specials = {"xyz"}});
  for (const std::int32_t id : t.encode("xyz")) EXPECT_NE(id, 0);
  EXPECT_THAT(t.encode("xyz", markers::as_tokens), ElementsAre(0));
}

TEST(BytePairs, RefuseWhatCannotBeTrained) {
  const std::vector<std::string> none, empty{"", ""}, some{"text"};
  EXPECT_EQ(message_of<shape_error>([&] { train_byte_level_bpe(some, {.vocabulary = 100}); }),
            "train_byte_level_bpe: expected a vocabulary of at least 260 tokens, 256 bytes and 4 special tokens; found "
            "100");
  EXPECT_THAT(message_of<shape_error>([&] { train_byte_level_bpe(none); }), HasSubstr("found empty ones"));
  EXPECT_THAT(message_of<shape_error>([&] { train_byte_level_bpe(empty); }), HasSubstr("found empty ones"));
  EXPECT_THAT(message_of<shape_error>([&] {
                train_byte_level_bpe(some, {.specials = {"<s>", "<s>"}});
              }),
              HasSubstr("expected every special token once; found <s> twice"));
}

}  // namespace
}  // namespace qkv
