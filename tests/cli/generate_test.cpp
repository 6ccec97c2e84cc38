// qkv generate: writes what it is told to, and refuses what is no model.
#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

using Generate = WithModel;

TEST_F(Generate, ContinuesThePrompt) {
  const finished done = qkv_program({"generate", "--model", model(), "--prompt", "Shall I", "--tokens", "60"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, StartsWith("Shall I"));
  EXPECT_GE(done.out.size(), 7 + 60 + 1);
  EXPECT_EQ(done.err, "");
}

TEST_F(Generate, WritesTheSameForTheSameSeed) {
  const auto text = [](std::vector<std::string> more) {
    std::vector<std::string> all{"generate", "--model", model(), "--tokens", "40"};
    all.insert(all.end(), more.begin(), more.end());
    return qkv_program(all).out;
  };
  EXPECT_EQ(text({}), text({}));
  EXPECT_NE(text({"--temperature", "1"}), text({"--temperature", "1", "--seed", "5"}));
  EXPECT_EQ(text({"--temperature", "0"}), text({"--temperature", "0", "--seed", "5"}));
  EXPECT_EQ(text({"--top-k", "1"}), text({"--top-k", "1", "--seed", "5"}));
}

TEST_F(Generate, TellsProgramsWhatItDid) {
  const auto result = json_of({"generate", "--model", model(), "--prompt", "I", "--tokens", "33"});
  EXPECT_EQ(result["prompt"], "I");
  EXPECT_EQ(result["tokens"], 33);
  EXPECT_EQ(json_of({"generate", "--model", model(), "--tokens", "0"})["text"], "");
}

TEST_F(Generate, WritesBeyondItsContext) {
  EXPECT_EQ(json_of({"generate", "--model", model(), "--tokens", "500"})["tokens"], 500);
}

TEST_F(Generate, PrintsOnlyTheNewTextWhenQuiet) {
  const auto json = json_of({"generate", "--model", model(), "--prompt", "Shall", "--tokens", "20"});
  EXPECT_EQ(qkv_program({"generate", "--model", model(), "--prompt", "Shall", "--tokens", "20", "-q"}).out,
            json["text"].get<std::string>() + "\n");
}

TEST_F(Generate, StopsWhenNobodyCanRead) {
  const finished done =
      running_program({"generate", "--model", model(), "--tokens", "1000000"}, {}, "/dev/full").wait();
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("standard output: expected room"));
}

TEST_F(Generate, RefusesPromptsItCannotRead) {
  expect_refusal({"generate", "--model", model(), "--prompt", "ZZZ"}, "--prompt");
  expect_refusal({"generate", "--model", model(), "--prompt", "I ñ"},
                 "found \"ñ\" (U+00F1) as character 3 of the text; leave it out, or write another one in its place");
  expect_refusal({"generate", "--model", model(), "--prompt", "ñ"},
                 "qkv generate: --prompt: expected only characters that this model has learned, the ");
  expect_refusal({"generate", "--model", model(), "--prompt", ""}, "expected a text");
  expect_refusal({"generate", "--model", model(), "--prompt", "\xff"}, "UTF-8");
}

TEST_F(Generate, RefusesOptionsOutOfRange) {
  expect_refusal({"generate", "--model", model(), "--temperature", "-1"}, "--temperature");
  expect_refusal({"generate", "--model", model(), "--top-p", "1.5"}, "--top-p");
  expect_refusal({"generate", "--model", model(), "--tokens", "-5"}, "--tokens");
}

TEST_F(Generate, RefusesWhatIsNoModel) {
  const std::string whole = bytes_of_file(model_file());
  const auto refuse = [](const std::string& name, const std::string& bytes, const std::string& part) {
    put_bytes(in_folder(name), bytes);
    expect_refusal({"generate", "--model", in_folder(name)}, part);
    expect_refusal({"attend", "--model", in_folder(name), "--text", "I"}, part);
  };
  expect_refusal({"generate", "--model", in_folder("missing")}, "missing");
  expect_refusal({"generate", "--model", in_folder(".")}, "expected");
  refuse("empty", "", "empty");
  refuse("half", whole.substr(0, whole.size() / 2), "half");
  refuse("header", whole.substr(0, 20), "header");
  refuse("tail", whole + "more", "tail");
  refuse("story", "Once upon a time there was a file.", "story");
  refuse("zeros", std::string(5000, '\0'), "zeros");
  const std::string other =
      R"({"__metadata__":{"format":"another model"},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  refuse("other", std::string(1, char(other.size())) + std::string(7, '\0') + other + std::string(4, '\0'),
         "another model");
}

TEST_F(Generate, RefusesACheckpointWhoseNumbersDoNotFit) {
  std::string bytes = bytes_of_file(model_file());
  const auto at = bytes.find("\\\"layers\\\":2");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 12, "\\\"layers\\\":3");
  put_bytes(in_folder("changed"), bytes);
  expect_refusal({"generate", "--model", in_folder("changed")}, "changed");
}

}  // namespace
}  // namespace qkv
