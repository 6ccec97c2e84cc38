#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "qkv/base/error.h"
#include "qkv/tokens/characters.h"
#include "qkv/tokens/training.h"
#include "tests/base/message_of.h"
#include "tests/tokens/sample_lines.h"

namespace qkv {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<tokenizer> one_of_each_kind() {
  const std::vector<std::string> lines = sample_lines();
  return {byte_tokenizer(usual_special_tokens()),
          character_tokenizer(character_vocabulary("abcdefgh ijk"), usual_special_tokens()),
          train_words(lines, {.least_count = 1}),
          train_words(lines, {.lower_case = true, .marks = punctuation::by_marks}),
          train_byte_level_bpe(lines, {.vocabulary = 400}),
          train_byte_level_bpe(lines, {.vocabulary = 400, .lower_case = true, .specials = {"<|end|>"}})};
}

TEST(TokenizerJson, GivesBackTheSameTokenizer) {
  for (const tokenizer& t : one_of_each_kind()) {
    const tokenizer back = tokenizer::from_json(t.to_json());
    EXPECT_EQ(back.to_json(), t.to_json()) << t.in_words();
    EXPECT_EQ(back.in_words(), t.in_words());
    EXPECT_EQ(back.special_ids(), t.special_ids());
    for (const std::string& line : sample_lines()) {
      EXPECT_EQ(back.encode(line), t.encode(line)) << t.in_words();
      EXPECT_EQ(back.decode(back.encode(line)), t.decode(t.encode(line))) << t.in_words();
    }
  }
}

TEST(TokenizerJson, ReadsWhatCharacterVocabulariesWrote) {
  const character_vocabulary v("To be, or not");
  EXPECT_EQ(tokenizer::from_json(v.to_json()).encode("not to be"), v.encode("not to be"));
}

/// The smallest file: a, b and ab, from bytes or characters.
json smallest() {
  return json::parse(R"({"added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
    "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<0x0A>": 3}, "merges": ["a b"]}})");
}

TEST(TokenizerJson, ReadsMergesInBothForms) {
  json file = smallest();
  EXPECT_THAT(tokenizer::from_json(file.dump()).encode("aab"), ElementsAre(0, 2));
  file["model"]["merges"] = json::array({json::array({"a", "b"})});
  EXPECT_THAT(tokenizer::from_json(file.dump()).encode("aab"), ElementsAre(0, 2));
}

TEST(TokenizerJson, ReadsTheVariationsOfBpe) {
  json file = smallest();
  file["model"]["unk_token"] = "a";
  EXPECT_THAT(tokenizer::from_json(file.dump()).encode("b??"), ElementsAre(1, 0, 0));
  file["model"]["fuse_unk"] = true;
  EXPECT_THAT(tokenizer::from_json(file.dump()).encode("b??"), ElementsAre(1, 0));
  file["model"]["byte_fallback"] = true;
  file["decoder"] = {{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}};
  EXPECT_THAT(tokenizer::from_json(file.dump()).encode("b\nab"), ElementsAre(1, 3, 2));
  EXPECT_EQ(tokenizer::from_json(file.dump()).decode(std::vector<std::int32_t>{1, 3, 2}), "b\nab");
  file["model"]["merges"] = json::array();
  EXPECT_THAT(tokenizer::from_json(file.dump()).encode("ab"), ElementsAre(0, 1));
  file["model"]["ignore_merges"] = true;
  EXPECT_THAT(tokenizer::from_json(file.dump()).encode("ab"), ElementsAre(2));
}

TEST(TokenizerJson, ReadsAddedTokensBehindTheModel) {
  json file = smallest();
  file["added_tokens"] = {{{"id", 4}, {"content", "<|end|>"}, {"special", true}},
                          {{"id", 5}, {"content", "ab|"}, {"special", false}}};
  const tokenizer t = tokenizer::from_json(file.dump());
  EXPECT_EQ(t.vocabulary_size(), 6);
  EXPECT_THAT(t.encode("abab|a<|end|>", markers::as_tokens), ElementsAre(2, 5, 0, 4));
  EXPECT_THAT(t.encode("ab|"), ElementsAre(5)) << "it is not special";
  EXPECT_EQ(t.token(4), "<|end|>");
  EXPECT_EQ(t.special("<|end|>"), 4);
  EXPECT_EQ(tokenizer::from_json(t.to_json()).to_json(), t.to_json());
}

std::string complaint(const std::string& text) {
  return message_of<file_error>([&] { tokenizer::from_json(text); });
}

/// What is said about the smallest file with the part at `pointer` replaced.
std::string complaint_with(const char* pointer, const char* part) {
  json file = smallest();
  file[json::json_pointer(pointer)] = json::parse(part);
  return complaint(file.dump());
}

TEST(TokenizerJson, NamesThePartThatItDoesNotKnow) {
  EXPECT_EQ(complaint_with("/normalizer", R"({"type": "NFKC"})"),
            "tokenizer.json: expected a normalizer of the type Lowercase, or none; found NFKC");
  EXPECT_THAT(complaint_with("/pre_tokenizer", R"({"type": "BertPreTokenizer"})"), HasSubstr("found BertPreTokenizer"));
  EXPECT_THAT(
      complaint_with("/pre_tokenizer", R"({"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated"})"),
      HasSubstr("expected Split by a pattern that is known here; found {"));
  EXPECT_THAT(complaint_with("/model/type", R"("WordPiece")"), HasSubstr("found \"WordPiece\""));
  EXPECT_THAT(complaint_with("/model/end_of_word_suffix", R"("</w>")"), HasSubstr("BPE without end_of_word_suffix"));
  EXPECT_THAT(complaint_with("/model/dropout", "0.1"), HasSubstr("expected BPE without dropout; found 0.1"));
  EXPECT_THAT(complaint_with("/decoder", R"({"type": "WordPiece"})"), HasSubstr("expected a decoder of the types"));
  EXPECT_THAT(complaint_with("/pre_tokenizer", R"({"type": "ByteLevel"})"),
              HasSubstr("expected the decoder ByteLevel"));
  EXPECT_THAT(complaint_with("/added_tokens", R"([{"id": 4, "content": "x", "lstrip": true}])"),
              HasSubstr("expected added tokens without lstrip; found \"x\" with it"));
}

TEST(TokenizerJson, RefusesWhatIsDamaged) {
  EXPECT_THAT(complaint("{"), HasSubstr("expected JSON; found something else, or a file that was cut short"));
  EXPECT_THAT(complaint(""), HasSubstr("cut short"));
  EXPECT_THAT(complaint("[]"), HasSubstr("expected an object; found []"));
  EXPECT_THAT(complaint("{}"), HasSubstr("expected a model; found none"));
  EXPECT_THAT(complaint_with("/model", "3"), HasSubstr("expected a model; found 3"));
  EXPECT_THAT(complaint_with("/model/vocab", R"({"a": 0, "b": 2})"), HasSubstr("every id from 0 to 1 once"));
  EXPECT_THAT(complaint_with("/model/vocab", R"({"a": 0, "b": 0})"), HasSubstr("found 0 for \"b\""));
  EXPECT_THAT(complaint_with("/model/vocab", R"({"a": -1})"), HasSubstr("found -1 for \"a\""));
  EXPECT_THAT(complaint_with("/model/merges", R"(["ab"])"), HasSubstr("expected merges of two tokens; found \"ab\""));
  EXPECT_THAT(complaint_with("/model/merges", R"(["a c"])"), HasSubstr("found \"c\", which is not there"));
  EXPECT_THAT(complaint_with("/model/merges", R"(["b a"])"), HasSubstr("a merge's result in the vocab; found \"ba\""));
  EXPECT_THAT(complaint_with("/model/unk_token", R"("?")"), HasSubstr("the unk_token in the vocab; found \"?\""));
  EXPECT_THAT(complaint_with("/added_tokens", R"([{"id": 9, "content": "x"}])"),
              HasSubstr("or the next behind it; found 9"));
  EXPECT_THAT(complaint_with("/added_tokens", R"([{"id": 4, "content": "x"}, {"id": 5, "content": "x"}])"),
              HasSubstr("expected every added token once; found \"x\" twice"));
  EXPECT_THAT(complaint_with("/pre_tokenizer", R"({"type": "Split", "pattern": 3})"), HasSubstr("usual form"));
}

TEST(TokenizerJson, NeverTrustsAFile) {
  const std::vector<std::string> texts{"to be or not to be"};
  const std::string good = train_byte_level_bpe(texts, {.vocabulary = 262}).to_json();
  const auto read = [](const std::string& text) {
    try {
      tokenizer::from_json(text).encode("to be <s>", markers::as_tokens);
    } catch (const file_error&) {
    } catch (const shape_error&) {  // a character without a token
    }
  };
  for (std::size_t length = 0; length < good.size(); length += 7) read(good.substr(0, length));
  for (std::size_t i = 0; i < good.size(); i += 3) {
    for (const char byte : {'\0', '9', '"', ']', '\xFF'}) {
      std::string damaged = good;
      damaged[i] = byte;
      read(damaged);
    }
  }
}

}  // namespace
}  // namespace qkv
