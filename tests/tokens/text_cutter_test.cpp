#include "qkv/tokens/text_cutter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace qkv::tokens {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> cut_by(std::vector<cutting> rules, const std::string& text) {
  std::vector<part> parts, scratch;
  cut(text, rules, parts, scratch);
  std::vector<std::string> texts;
  for (const part& p : parts) texts.push_back(text.substr(p.begin, p.end - p.begin));
  return texts;
}

std::vector<std::string> gpt2(const std::string& text) { return cut_by({cutting::gpt2_words}, text); }

TEST(Gpt2Words, TakeOneSpaceInFront) {
  EXPECT_THAT(gpt2("Hello, my world"), ElementsAre("Hello", ",", " my", " world"));
  EXPECT_THAT(gpt2(" (x1 y)"), ElementsAre(" (", "x", "1", " y", ")"));
  EXPECT_THAT(gpt2("grün 漢字 ½"), ElementsAre("grün", " 漢字", " ½"));
}

TEST(Gpt2Words, CutOffShortFormsInLowerCase) {
  EXPECT_THAT(gpt2("it's we'll I'M"), ElementsAre("it", "'s", " we", "'ll", " I", "'", "M"));
  EXPECT_THAT(gpt2("'tis 'd"), ElementsAre("'t", "is", " '", "d"));
  EXPECT_THAT(gpt2("!'s"), ElementsAre("!'", "s")) << "inside a run of marks it is a mark";
}

TEST(Gpt2Words, LeaveTheLastOfManySpacesToTheWord) {
  EXPECT_THAT(gpt2("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(gpt2("a \n b"), ElementsAre("a", " \n", " b"));
  EXPECT_THAT(gpt2("a\n\nb"), ElementsAre("a", "\n", "\n", "b")) << "which does not take a line's end";
  EXPECT_THAT(gpt2("a   "), ElementsAre("a", "   "));
  EXPECT_THAT(gpt2(" "), ElementsAre(" "));
  EXPECT_THAT(gpt2("\u3000\u3000x"), ElementsAre("\u3000", "\u3000", "x"));
}

TEST(Gpt2Words, TakeBytesThatAreNotUtf8AsMarks) {
  EXPECT_THAT(gpt2("a\xFF\xFE b\xC3"), ElementsAre("a", "\xFF\xFE", " b", "\xC3"));
}

TEST(Words, AreRunsOfLettersOrOfMarks) {
  EXPECT_THAT(cut_by({cutting::words}, " Zoë's x_1, ... ok!\n"),
              ElementsAre("Zoë", "'", "s", "x_1", ",", "...", "ok", "!"));
  EXPECT_THAT(cut_by({cutting::words_single_marks}, "ok?! (x)"), ElementsAre("ok", "?", "!", "(", "x", ")"));
  EXPECT_THAT(cut_by({cutting::words}, " \t\n"), IsEmpty());
}

TEST(Words, KeepMarksOnTheirLetters) {
  EXPECT_THAT(cut_by({cutting::words}, "cafe\u0301 au lait"), ElementsAre("cafe\u0301", "au", "lait"));
}

TEST(Cutting, AppliesRulesInTurn) {
  EXPECT_THAT(cut_by({cutting::single_digits, cutting::gpt2_words}, "in 2024!"),
              ElementsAre("in", " ", "2", "0", "2", "4", "!"));
  EXPECT_THAT(cut_by({cutting::numbers}, "in 2024!"), ElementsAre("in ", "2024", "!"));
  EXPECT_THAT(cut_by({cutting::visible_spaces}, "▁a▁▁b"), ElementsAre("▁a", "▁", "▁b"));
  EXPECT_THAT(cut_by({}, "all of it"), ElementsAre("all of it"));
  EXPECT_THAT(cut_by({}, ""), IsEmpty());
}

}  // namespace
}  // namespace qkv::tokens
