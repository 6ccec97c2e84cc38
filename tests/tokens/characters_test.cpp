#include "qkv/tokens/characters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qkv/base/error.h"
#include "tests/base/message_of.h"

namespace qkv {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(CharacterVocabulary, NumbersTheDistinctCharactersInOrder) {
  const character_vocabulary v("banana\n");
  EXPECT_EQ(v.size(), 4);
  EXPECT_THAT(v.encode("\nabn"), ElementsAre(0, 1, 2, 3));
  EXPECT_TRUE(v.contains(U'n'));
  EXPECT_FALSE(v.contains(U'z'));
  EXPECT_FALSE(v.contains(U'é'));
}

TEST(CharacterVocabulary, DecodesWhatItEncoded) {
  const std::string text = "Zoë isst 漢字 🙂,\n und\tso weiter";
  const character_vocabulary v(text);
  EXPECT_EQ(v.decode(v.encode(text)), text);
  EXPECT_EQ(v.encode("🙂").size(), 1u) << "one token a character, not a byte";
  EXPECT_EQ(v.decode({}), "");
  EXPECT_TRUE(v.encode("").empty());
}

TEST(CharacterVocabulary, NamesTheCharacterThatItDoesNotHold) {
  const character_vocabulary v("abc\n");
  EXPECT_EQ(message_of<shape_error>([&] { v.encode("abé"); }),
            "character_vocabulary::encode: expected the 4 characters \"\\nabc\"; found \"é\" (U+00E9) at character 2; "
            "leave it out, or name a character to replace it");
  EXPECT_THAT(message_of<shape_error>([&] { v.encode("\t"); }), HasSubstr("found \"\\t\" (U+0009) at character 0"));
}

TEST(CharacterVocabulary, ShortensALongListInItsErrors) {
  std::string text;
  for (char c = ' '; c < 127; ++c) text += c;
  EXPECT_THAT(message_of<shape_error>([&] { character_vocabulary(text).encode("\n"); }), HasSubstr("FG...\"; found"));
}

TEST(CharacterVocabulary, ReplacesUnknownCharactersWhenAsked) {
  const character_vocabulary v("abc?");
  EXPECT_EQ(v.decode(v.encode("aéb漢c", U'?')), "a?b?c");
  EXPECT_THAT(message_of<shape_error>([&] { v.encode("a", U'#'); }),
              HasSubstr("expected a replacement among the 4 characters \"?abc\"; found \"#\" (U+0023)"));
}

TEST(CharacterVocabulary, RefusesTextsThatAreEmptyOrNotUtf8) {
  EXPECT_THROW(character_vocabulary(""), shape_error);
  EXPECT_THROW(character_vocabulary("caf\xE9"), shape_error);
  EXPECT_THAT(message_of<shape_error>([] { character_vocabulary("abc").encode("ab\xFF"); }),
              HasSubstr("expected a text in UTF-8; found other bytes at byte 2"));
}

TEST(CharacterVocabulary, RefusesTokensItDoesNotHave) {
  const character_vocabulary v("abc");
  const std::int32_t beyond[] = {0, 3}, negative[] = {-1};
  EXPECT_EQ(message_of<shape_error>([&] { v.decode(beyond); }),
            "character_vocabulary::decode: expected tokens from 0 to 2; found 3");
  EXPECT_THROW(v.decode(negative), shape_error);
}

TEST(CharacterVocabulary, ComesBackFromItsJson) {
  const character_vocabulary v("quote \" back\\slash\nZoë 🙂" + std::string(1, '\0'));
  EXPECT_EQ(character_vocabulary::from_json(v.to_json()), v);
  EXPECT_EQ(character_vocabulary("ba").to_json(), R"({"characters":"ab","type":"characters"})");
}

TEST(CharacterVocabulary, RefusesJsonThatItDidNotWrite) {
  const auto complaint = [](const std::string& json) {
    return message_of<file_error>([&] { character_vocabulary::from_json(json); });
  };
  EXPECT_THAT(complaint("{"), HasSubstr("found text that is not JSON"));
  EXPECT_THAT(complaint("[]"), HasSubstr("found another type"));
  EXPECT_THAT(complaint(R"({"type":"bytes"})"), HasSubstr("found another type"));
  EXPECT_THAT(complaint(R"({"type":3,"characters":"a"})"), HasSubstr("found another type"));
  EXPECT_THAT(complaint(R"({"type":"characters"})"), HasSubstr("found no string of characters"));
  EXPECT_THAT(complaint(R"({"type":"characters","characters":["a"]})"), HasSubstr("found no string of characters"));
  EXPECT_THAT(complaint(R"({"type":"characters","characters":""})"), HasSubstr("found no characters"));
  EXPECT_THAT(complaint(R"({"type":"characters","characters":"ba"})"), HasSubstr("out of order or repeated"));
  EXPECT_THAT(complaint(R"({"type":"characters","characters":"aa"})"), HasSubstr("out of order or repeated"));
  EXPECT_THAT(complaint("{\"type\":\"characters\",\"characters\":\"\xFF\"}"), HasSubstr("found text that is not JSON"));
}

}  // namespace
}  // namespace qkv
