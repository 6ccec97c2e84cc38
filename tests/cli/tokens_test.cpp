// qkv train --tokens: language models and translators of any tokens, through every command that reads them.
#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string verse() {
  std::string text;
  while (text.size() < 9000)
    text += "Shall I compare thee to a summer's day?\nThou art more lovely, and more temperate. été\n";
  return text;
}

class LanguageModelOf : public testing::TestWithParam<const char*> {};

TEST_P(LanguageModelOf, IsTrainedAndWritesCompletesAndShowsItsHeads) {
  const temporary_folder folder;
  put_bytes(folder / "text.txt", verse());
  const std::string model = folder / "model", kind = GetParam();
  const finished done = qkv_program(
      training(folder / "text.txt", model, with_vocabulary({"--steps", "20", "--quiet"}, kind, "280")));
  ASSERT_EQ(done.code, 0) << done.err;
  const auto again = with_vocabulary({"--steps", "20", "--replace"}, kind, "280");
  EXPECT_EQ(json_of(training(folder / "text.txt", model, again))["step"], 20);
  const finished written = qkv_program({"generate", "--model", model, "--prompt", "Shall I", "--tokens", "30"});
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_THAT(written.out, StartsWith("Shall I"));
  const auto shown = json_of({"attend", "--model", model, "--text", "Shall I"});
  const auto looked = json_of({"complete", "--model", model, "Shall I"});
  EXPECT_EQ(looked["attention"]["tokens"], shown["tokens"]);
  std::string whole;
  for (const auto& piece : shown["tokens"]) whole += piece.get<std::string>();
  EXPECT_EQ(whole, "Shall I");
  EXPECT_FALSE(json_of({"complete", "--model", model, "Shall I", "--word"})["words"].empty());
  const auto good = json_of({"evaluate", "--model", model, "--text", folder / "text.txt", "--held-out"});
  EXPECT_GT(good["bits_per_byte"].get<double>(), 0);
  const auto cut = json_of({"tokenize", "--model", model, "Shall I"});
  EXPECT_EQ(cut["texts"][0]["pieces"], shown["tokens"]);
}

INSTANTIATE_TEST_SUITE_P(Tokens, LanguageModelOf, testing::Values("characters", "bytes", "words", "bpe", "unigram"),
                         [](const auto& own) { return std::string(own.param); });

class TranslatorOf : public testing::TestWithParam<const char*> {};

TEST_P(TranslatorOf, IsTrainedTranslatesAndIsEvaluated) {
  const temporary_folder folder;
  std::string german, english;
  for (int i = 0; i < 60; ++i)
    german += "Ein Hund rennt.\nDie Katze schläft.\n", english += "A dog runs.\nThe cat sleeps.\n";
  put_bytes(folder / "de", german), put_bytes(folder / "en", english);
  const std::string model = folder / "model";
  const finished done = qkv_program(
      with_vocabulary({"train", "--source", folder / "de", "--target", folder / "en", "--out", model, "--layers", "1",
                       "--heads", "2", "--width", "16", "--steps", "4", "--quiet"},
                      GetParam(), "300"));
  ASSERT_EQ(done.code, 0) << done.err;
  put_bytes(folder / "some.de", "Ein Hund rennt.\nDie Katze schläft.\n");
  put_bytes(folder / "some.en", "A dog runs.\nThe cat sleeps.\n");
  const auto good = json_of(
      {"evaluate", "--model", model, "--source", folder / "some.de", "--target", folder / "some.en", "--beam", "2"});
  EXPECT_EQ(good["pairs"], 2);
  EXPECT_GT(good["loss"].get<double>(), 0);
  EXPECT_TRUE(good["greedy"].contains("bleu") && good["beam"].contains("chrf"));
  EXPECT_EQ(good["beam"]["width"], 2);
}

INSTANTIATE_TEST_SUITE_P(Tokens, TranslatorOf, testing::Values("characters", "bytes", "words", "bpe", "unigram"),
                         [](const auto& own) { return std::string(own.param); });

TEST(Tokens, WhatCannotBeIsRefused) {
  const temporary_folder folder;
  put_bytes(folder / "text.txt", verse());
  const auto refuse = [&](std::vector<std::string> more, const std::string& part) {
    expect_refusal(training(folder / "text.txt", folder / "model", std::move(more)), part);
  };
  refuse({"--tokens", "letters"}, "--tokens");
  refuse({"--tokens", "bpe", "--vocabulary", "100"}, "expected a vocabulary of at least 256 tokens");
  refuse({"--vocabulary", "100"},
         "--vocabulary: expected --tokens words or bpe or unigram, which has use for it; found characters");
  refuse({"--tokens", "bytes", "--vocabulary", "100"}, "found bytes");
  refuse({"--tokens", "characters", "--lower-case"},
         "--lower-case: expected words, bpe or unigram pieces; found characters");
}

}  // namespace
}  // namespace qkv
