// qkv tokenize: tokenizers learned, used and turned around.
#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;

class TokenizerOf : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerOf, GivesTheTextBack) {
  const temporary_folder folder;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Shall I compare thee to a summer's day? été\n";
  put_bytes(folder / "text", text);
  const std::string file = folder / "tokenizer.json";
  const auto learned =
      json_of(with_vocabulary({"tokenize", "--text", folder / "text", "--out", file}, GetParam(), "300", "--learn"));
  EXPECT_GT(learned["vocabulary"].get<long>(), 4);
  EXPECT_EQ(learned["statistics"]["words"], 40 * 9);
  const auto cut = json_of({"tokenize", "--tokenizer", file, "Shall I compare thee", "day"});
  ASSERT_EQ(cut["texts"].size(), 2u);
  std::string ids, whole;
  for (const auto& id : cut["texts"][0]["tokens"]) ids += std::to_string(id.get<long>()) + " ";
  for (const auto& piece : cut["texts"][0]["pieces"]) whole += piece.get<std::string>();
  EXPECT_EQ(whole, "Shall I compare thee");
  put_bytes(folder / "ids", ids + "\n");
  EXPECT_EQ(qkv_program({"tokenize", "--tokenizer", file, "--decode", "--text", folder / "ids"}).out,
            "Shall I compare thee\n");
}

INSTANTIATE_TEST_SUITE_P(Tokens, TokenizerOf, testing::Values("characters", "bytes", "words", "bpe", "unigram"),
                         [](const auto& own) { return std::string(own.param); });

/// The program with a file as its standard input.
finished reading(const std::filesystem::path& input, std::vector<std::string> arguments) {
  const auto redirect = [&] {
    ::close(0);
    ::open(input.c_str(), O_RDONLY);
  };
  return running_program(std::move(arguments), redirect).wait();
}

TEST(Tokenize, NumbersGoThroughAPipeAndBack) {
  const temporary_folder folder;
  put_bytes(folder / "text", "Ein Hund rennt.\n\nEine Katze schläft.\n");
  const std::string model = QKV_SOURCE_DIR "/models/de-en.safetensors";
  const auto with = [&](const std::string& input, std::vector<std::string> arguments) {
    return reading(folder / input, std::move(arguments));
  };
  const finished numbers = with("text", {"tokenize", "--model", model, "--quiet"});
  ASSERT_EQ(numbers.code, 0) << numbers.err;
  put_bytes(folder / "numbers", numbers.out);
  EXPECT_EQ(with("numbers", {"tokenize", "--model", model, "--decode"}).out, bytes_of_file(folder / "text"));
}

TEST(Program, ReadsStandardInputWhereADashStands) {
  const temporary_folder folder;
  put_bytes(folder / "text", "To be\n");
  put_bytes(folder / "wide", std::string("T\0o\0", 4));
  put_bytes(folder / "marked", std::string("\xff\xfeT\0", 4));
  const std::string model = QKV_SOURCE_DIR "/models/shakespeare.safetensors";
  const auto with = [&](const std::string& input, std::vector<std::string> arguments) {
    return reading(folder / input, std::move(arguments));
  };
  const std::string cut = qkv_program({"tokenize", "--model", model, "To be", "-q"}).out;
  EXPECT_EQ(with("text", {"tokenize", "--model", model, "-", "-q"}).out, cut);
  EXPECT_EQ(with("text", {"tokenize", "--model", model, "--text", "-", "-q"}).out, cut);
  EXPECT_EQ(with("text", {"complete", "--model", model, "-", "--json"}).out,
            qkv_program({"complete", "--model", model, "To be", "--json"}).out);
  EXPECT_FALSE(with("text", {"translate", "-", "-q"}).out.empty());
  EXPECT_THAT(with("wide", {"tokenize", "--model", model, "-"}).err, HasSubstr("found a NUL byte, as in binary"));
  EXPECT_THAT(with("marked", {"complete", "--model", model}).err, HasSubstr("found one in UTF-16"));
}

TEST(Program, RefusesSeedsThatAreNone) {
  for (const char* command : {"train", "generate", "explain"})
    for (const char* seed : {"-1", "1.5", "18446744073709551616", ""})
      expect_refusal({command, "--seed", seed}, "--seed: expected a whole number from 0 to 18446744073709551615; found ");
}

TEST(Tokenize, ShowsPiecesOverNumbersAndHowManyThereAre) {
  const temporary_folder folder;
  const std::string model = QKV_SOURCE_DIR "/models/shakespeare.safetensors";
  const finished done = qkv_program({"tokenize", "--model", model, "To be"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("5 tokens: 2.50 a word, 1.00 bytes each"));
  EXPECT_THAT(done.out, HasSubstr("characters with "));
  const finished counted = qkv_program({"tokenize", "--model", model, "To be", "--statistics"});
  EXPECT_EQ(std::count(counted.out.begin(), counted.out.end(), '\n'), 1);
}

TEST(Tokenize, SaysWhatIsWrong) {
  const temporary_folder folder;
  put_bytes(folder / "text", "some words\n");
  put_bytes(folder / "no.json", "{}");
  const std::string model = QKV_SOURCE_DIR "/models/de-en.safetensors";
  expect_refusal({"tokenize", "word"}, "expected --tokenizer FILE, --model FILE, or --learn KIND");
  expect_refusal({"tokenize", "--tokenizer", folder / "no.json", "word"}, "no.json");
  expect_refusal({"tokenize", "--model", model}, "expected texts to cut into tokens");
  expect_refusal({"tokenize", "--model", model, "--decode", "12", "x"}, "expected numbers of tokens, 0 to ");
  expect_refusal({"tokenize", "--model", model, "--decode", "12345678"}, "found \"12345678\"");
  expect_refusal({"tokenize", "--learn", "bpe", "--text", folder / "text"}, "--out");
  expect_refusal({"tokenize", "--learn", "bpe", "--vocabulary", "20", "--text", folder / "text", "--out", folder / "o"},
                 "expected a vocabulary of at least 260 tokens");
  expect_refusal({"tokenize", "--learn", "bytes", "--vocabulary", "300", "--text", folder / "text", "--out", "o"},
                 "--vocabulary: expected --learn words, bpe or unigram, which has use for it; found bytes");
  expect_refusal({"tokenize", "--learn", "letters", "--text", folder / "text"}, "--learn");
  expect_refusal({"tokenize", "--learn", "words", "--out", folder / "o"}, "expected a text to learn from");
}

}  // namespace
}  // namespace qkv
