#include "qkv/tokens/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qkv/base/error.h"
#include "qkv/base/threads.h"
#include "qkv/tokens/characters.h"
#include "qkv/tokens/training.h"
#include "tests/base/message_of.h"
#include "tests/tokens/sample_lines.h"

namespace qkv {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::string all_bytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += char(byte);
  return bytes;
}

tokenizer byte_pairs() { return train_byte_level_bpe(sample_lines(), {.vocabulary = 500}); }

tokenizer characters() {
  return character_tokenizer(character_vocabulary(joined(sample_lines())), usual_special_tokens());
}

struct named_tokenizer {
  const char* name;
  tokenizer made;
};

std::vector<named_tokenizer> lossless() {
  return {
      {"bytes", byte_tokenizer(usual_special_tokens())}, {"byte pairs", byte_pairs()}, {"characters", characters()}};
}

TEST(Tokenizer, DecodesExactlyWhatItEncoded) {
  for (const auto& [name, t] : lossless()) {
    for (const std::string& line : sample_lines()) EXPECT_EQ(t.decode(t.encode(line)), line) << name;
    const std::string spaces(1000, ' ');
    EXPECT_EQ(t.decode(t.encode(spaces)), spaces) << name;
    EXPECT_TRUE(t.encode("").empty()) << name;
    EXPECT_EQ(t.decode({}), "") << name;
    EXPECT_EQ(t.decode(t.encode("a")), "a") << name;
  }
}

TEST(Tokenizer, OfBytesTakesAnyBytes) {
  const std::string text = all_bytes() + "\xFF\xC3 caf\xE9 \xE6\xBC";
  for (const tokenizer& t : {byte_tokenizer(), byte_pairs()}) EXPECT_EQ(t.decode(t.encode(text)), text);
  EXPECT_THAT(byte_tokenizer().encode("\x01z\xFF"), ElementsAre(1, 'z', 255)) << "a byte is its own token";
  EXPECT_EQ(message_of<shape_error>([] { characters().encode("ab\xFF"); }),
            "tokenizer::encode: expected a text in UTF-8; found other bytes at byte 2");
}

TEST(Tokenizer, SaysWhichBytesEachTokenCovers) {
  for (const auto& [name, t] : lossless()) {
    for (const std::string& line : sample_lines()) {
      const located_tokens located = t.locate(line);
      EXPECT_EQ(located.tokens, t.encode(line)) << name;
      std::size_t end = 0;
      for (std::size_t i = 0; i < located.tokens.size(); ++i) {
        const byte_range place = located.places[i];
        EXPECT_EQ(place.begin, end) << name << ": no gap and no overlap";
        EXPECT_EQ(t.decode({&located.tokens[i], 1}), line.substr(place.begin, place.end - place.begin)) << name;
        end = place.end;
      }
      EXPECT_EQ(end, line.size()) << name;
    }
  }
}

TEST(Tokenizer, LocatesWordsInTheTextAsItWasWritten) {
  const std::vector<std::string> texts{"İda big house"};
  const tokenizer t = train_words(texts, {.least_count = 1, .lower_case = true});
  const located_tokens located = t.locate(" İDA  House");
  EXPECT_EQ(t.decode(located.tokens), "i̇da house");
  EXPECT_THAT(located.places, ElementsAre(byte_range{1, 5}, byte_range{7, 12})) << "though lower case is longer";
}

TEST(Tokenizer, TakesMarkersAsTextUnlessAsked) {
  for (const auto& [name, t] : lossless()) {
    for (const std::int32_t id : t.encode("<s>a</s> <pad><unk>")) EXPECT_FALSE(t.is_special(id)) << name;
    const std::vector<std::int32_t> ids = t.encode("<s>a</s>", markers::as_tokens);
    EXPECT_THAT(ids, ElementsAre(2, *t.id("a"), 3)) << name;
    EXPECT_EQ(t.decode(ids), "a") << name;
    EXPECT_EQ(t.decode(ids, specials::written), "<s>a</s>") << name;
    EXPECT_EQ(t.locate("é<s>", markers::as_tokens).places.back(), (byte_range{2, 5})) << name;
  }
}

TEST(Tokenizer, NamesItsTokens) {
  for (const auto& [name, t] : lossless()) {
    for (std::int32_t id = 0; id < t.vocabulary_size(); ++id) EXPECT_EQ(t.id(t.token(id)), id) << name;
    EXPECT_EQ(t.special(special_token::pad), 0) << name;
    EXPECT_EQ(t.special(special_token::end), 3) << name;
    EXPECT_FALSE(t.id("no such token")) << name;
    EXPECT_EQ(message_of<shape_error>([&] { t.special("<mask>"); }),
              "tokenizer::special: expected one of <pad>, <unk>, <s>, </s>; found <mask>");
  }
  EXPECT_THAT(message_of<shape_error>([] { byte_tokenizer().special("<s>"); }),
              HasSubstr("expected a tokenizer with special tokens; found <s>"));
}

TEST(Tokenizer, RefusesTokensItDoesNotHave) {
  const tokenizer t = byte_tokenizer();
  const std::int32_t beyond[] = {0, 256}, negative[] = {-1};
  EXPECT_EQ(message_of<shape_error>([&] { t.decode(beyond); }),
            "tokenizer::decode: expected tokens from 0 to 255; found 256");
  EXPECT_THROW(t.decode(negative), shape_error);
  EXPECT_THROW(t.token(256), shape_error);
}

TEST(Tokenizer, RefusesUnknownCharactersWithoutATokenForThem) {
  EXPECT_THAT(message_of<shape_error>([] { character_tokenizer(character_vocabulary("abc")).encode("abé"); }),
              HasSubstr("found \"é\"; leave it out, or take a vocabulary with a token for the unknown"));
  const tokenizer t = character_tokenizer(character_vocabulary("abc"), usual_special_tokens());
  EXPECT_EQ(t.decode(t.encode("abé"), specials::written), "ab<unk>");
}

TEST(Tokenizer, EncodesManyTextsAsOneByOne) {
  const std::vector<std::string> lines = sample_lines();
  std::vector<std::string> many;
  for (int i = 0; i < 20; ++i) many.insert(many.end(), lines.begin(), lines.end());
  const tokenizer t = byte_pairs();
  const int threads = thread_count();
  set_thread_count(3);
  const auto all = t.encode_each(many);
  set_thread_count(threads);
  for (std::size_t i = 0; i < many.size(); ++i) ASSERT_EQ(all[i], t.encode(many[i]));
}

TEST(Tokenizer, SaysWhatItIs) {
  EXPECT_EQ(byte_tokenizer().in_words(), "bytes with 256 tokens");
  EXPECT_EQ(byte_pairs().in_words(), "byte-level BPE with 500 tokens");
  EXPECT_EQ(character_tokenizer(character_vocabulary("abc")).in_words(), "characters with 3 tokens");
}

}  // namespace
}  // namespace qkv
