#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "qkv/base/error.h"
#include "qkv/base/threads.h"
#include "qkv/tokens/frequent_substrings.h"
#include "qkv/tokens/training.h"
#include "qkv/tokens/unigram_lattice.h"
#include "tests/base/message_of.h"
#include "tests/tokens/sample_lines.h"

namespace qkv {
namespace {

using namespace tokens;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(FrequentSubstrings, AreCountedInAllWords) {
  const auto found = frequent_substrings({{"abab", 3}, {"xab", 2}, {"once", 1}}, 4, 100);
  std::vector<std::string> texts;
  for (const frequent_substring& s : found) texts.push_back(s.text + ":" + std::to_string(s.count));
  EXPECT_THAT(texts, ElementsAre("ab:8", "abab:3", "aba:3", "bab:3", "xab:2", "ba:3", "xa:2"))
      << "ab twice in each abab, and by count times length";
  EXPECT_EQ(frequent_substrings({{"abab", 3}}, 4, 2).size(), 2u);
  EXPECT_EQ(frequent_substrings({{"äöäö", 3}}, 2, 1)[0].text, "äö") << "of characters, not bytes";
}

TEST(UnigramLattice, WeighsAllWaysToWriteAWord) {
  const std::vector<scored_piece> pieces{{"a", std::log(0.5)}, {"b", std::log(0.2)}, {"ab", std::log(0.3)}};
  unigram_lattice lattice(pieces);
  std::vector<double> expected(3);
  // ab: 0.3; a b: 0.1.
  EXPECT_NEAR(lattice.add_expected("ab", 2, expected), 2 * std::log(0.4), 1e-12);
  EXPECT_NEAR(expected[0], 2 * 0.25, 1e-12);
  EXPECT_NEAR(expected[1], 2 * 0.25, 1e-12);
  EXPECT_NEAR(expected[2], 2 * 0.75, 1e-12);
  EXPECT_THAT(lattice.best("aab"), ElementsAre(0, 2));
  EXPECT_NEAR(lattice.best_score(), std::log(0.15), 1e-12);
  EXPECT_THAT(lattice.best("ab", /*left_out=*/2), ElementsAre(0, 1));
  EXPECT_TRUE(lattice.best("x").empty());
}

std::vector<std::string> names(const tokenizer& t, std::string_view text) {
  std::vector<std::string> all;
  for (const std::int32_t id : t.encode(text)) all.push_back(t.token(id));
  return all;
}

std::vector<std::string> walks() {
  std::vector<std::string> lines;
  for (const char* verb : {"walk", "talk", "jump"})
    for (const char* ending : {"ing", "ed", "er", "s"}) lines.push_back(std::string("they ") + verb + ending + " well");
  return lines;
}

TEST(Unigram, FindsStemsAndEndings) {
  const tokenizer t = train_unigram(walks(), {.vocabulary = 34});
  EXPECT_THAT(names(t, "they jumping"), ElementsAre("▁they", "▁jump", "ing"));
  EXPECT_EQ(t.in_words(), "unigram pieces with 34 tokens");
}

TEST(Unigram, DecodesWhatItEncoded) {
  const tokenizer t = train_unigram(sample_lines(), {.vocabulary = 600, .byte_fallback = true});
  for (const std::string& line : sample_lines()) {
    if (line.starts_with(' ') || line.contains("▁")) continue;  // a space in front is lost, ▁ becomes a space
    EXPECT_EQ(t.decode(t.encode(line)), line);
  }
  const std::string spaces = "a" + std::string(1000, ' ') + "b";
  EXPECT_EQ(t.decode(t.encode(spaces)), spaces);
  EXPECT_EQ(t.decode(t.encode("")), "");
  EXPECT_EQ(t.decode(t.encode(" two words")), "two words");
}

TEST(Unigram, WritesUnknownCharactersAsBytesWhenAsked) {
  const tokenizer bytes = train_unigram(walks(), {.vocabulary = 290, .byte_fallback = true});
  EXPECT_EQ(bytes.decode(bytes.encode("they 漢字!")), "they 漢字!");
  EXPECT_EQ(bytes.locate("they 漢").places.back(), (byte_range{7, 8}));
  const tokenizer t = train_unigram(walks(), {.vocabulary = 34});
  EXPECT_EQ(t.decode(t.encode("they 漢字 well"), specials::written), "they <unk> well") << "one for the run";
}

TEST(Unigram, SaysWhichBytesEachTokenCovers) {
  const tokenizer t = train_unigram(walks(), {.vocabulary = 34});
  EXPECT_THAT(t.locate("they jumping").places, ElementsAre(byte_range{0, 4}, byte_range{4, 9}, byte_range{9, 12}));
}

TEST(Unigram, TakesMarkersAsTextUnlessAsked) {
  const tokenizer t = train_unigram(sample_lines(), {.vocabulary = 400});
  for (const std::int32_t id : t.encode("<s></s><pad>")) EXPECT_GT(id, 3);
  EXPECT_THAT(t.encode("<s></s><pad>", markers::as_tokens), ElementsAre(2, 3, 0));
}

TEST(Unigram, LeavesRareCharactersOutWhenAsked) {
  const std::vector<std::string> texts{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa é", "aaaaaaaaaaaaaaaa aaaaaaaaaaa"};
  EXPECT_TRUE(train_unigram(texts, {.vocabulary = 20}).id("é"));
  EXPECT_FALSE(train_unigram(texts, {.vocabulary = 20, .character_coverage = 0.95}).id("é"));
}

TEST(Unigram, IsTheSameForAnyNumberOfThreads) {
  const int threads = thread_count();
  set_thread_count(1);
  const std::string alone = train_unigram(sample_lines(), {.vocabulary = 400}).to_json();
  set_thread_count(3);
  EXPECT_EQ(train_unigram(sample_lines(), {.vocabulary = 400}).to_json(), alone);
  set_thread_count(threads);
}

TEST(Unigram, ComesBackFromItsJson) {
  for (const bool bytes : {false, true}) {
    const tokenizer t = train_unigram(sample_lines(), {.vocabulary = 600, .byte_fallback = bytes, .lower_case = bytes});
    const tokenizer back = tokenizer::from_json(t.to_json());
    EXPECT_EQ(back.to_json(), t.to_json());
    for (const std::string& line : sample_lines()) {
      EXPECT_EQ(back.encode(line + "<s> 漢"), t.encode(line + "<s> 漢"));
      EXPECT_EQ(back.decode(back.encode(line)), t.decode(t.encode(line)));
    }
  }
}

TEST(Unigram, RefusesWhatCannotBeTrained) {
  EXPECT_EQ(message_of<shape_error>([] { train_unigram(walks(), {.vocabulary = 10}); }),
            "train_unigram: expected a vocabulary of at least 23 tokens, 19 of them characters; found 10; a smaller "
            "character_coverage leaves out rare characters");
  EXPECT_THAT(message_of<shape_error>([] { train_unigram(walks(), {.specials = {}}); }), HasSubstr("expected <unk>"));
  EXPECT_THAT(message_of<shape_error>([] { train_unigram({}); }), HasSubstr("found empty ones"));
  EXPECT_THAT(message_of<shape_error>([] { train_unigram(walks(), {.character_coverage = 2}); }),
              HasSubstr("expected a character_coverage above 0 and up to 1"));
  const tokenizer t = train_unigram(walks(), {.vocabulary = 34});
  EXPECT_EQ(message_of<shape_error>([&] { t.encode("they\xFF"); }),
            "tokenizer::encode: expected a text in UTF-8; found other bytes at byte 4");
}

}  // namespace
}  // namespace qkv
