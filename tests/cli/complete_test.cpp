// qkv complete: what may come next, with probabilities that hold, and what is looked at for that.
#include <cmath>

#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;

using Complete = WithModel;

TEST_F(Complete, ShowsProbabilitiesThatSumToOne) {
  const auto result = json_of({"complete", "--model", model(), "Shall I", "--tokens", "--top", "1000"});
  EXPECT_EQ(result["prompt"], "Shall I");
  double sum = 0, before = 1;
  for (const auto& one : result["next"]) {
    const double p = one["probability"];
    EXPECT_LE(p, before);
    before = p;
    sum += p;
  }
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST_F(Complete, ItsFirstTokenIsTheOneThatGreedyWritingTakes) {
  const auto next = json_of({"complete", "--model", model(), "Shall", "--tokens"})["next"];
  const auto written =
      json_of({"generate", "--model", model(), "--prompt", "Shall", "--tokens", "1", "--temperature", "0"});
  EXPECT_EQ(next[0]["text"], written["text"]);
  EXPECT_EQ(next.size(), 10u);
}

TEST_F(Complete, WeightsOfThePromptAreThoseOfAttend) {
  const auto shown = json_of({"attend", "--model", model(), "--text", "Shall I", "--layer", "2", "--head", "1"});
  const auto looked = json_of({"complete", "--model", model(), "Shall I", "--layer", "2", "--head", "1"})["attention"];
  EXPECT_EQ(looked["tokens"], shown["tokens"]);
  const auto last = shown["heads"][0]["weights"].back();
  for (std::size_t i = 0; i < last.size(); ++i)
    EXPECT_NEAR(looked["weights"][i].get<double>(), last[i].get<double>(), 1e-5);
  double sum = 0;
  const auto mean = json_of({"complete", "--model", model(), "Shall I"});
  for (const auto& w : mean["attention"]["weights"]) sum += w.get<double>();
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST_F(Complete, DrawsATableAndWhatWasLookedAt) {
  const finished done = qkv_program({"complete", "--model", model(), "Shall I", "--top", "3"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("what may come next"));
  EXPECT_THAT(done.out, HasSubstr("mean of all heads of all layers"));
  EXPECT_THAT(done.out, HasSubstr("Shall_I\n"));
  const finished saved = qkv_program({"complete", "--model", model(), "Shall I", "--svg", in_folder("looked.svg")});
  EXPECT_EQ(saved.code, 0) << saved.err;
  EXPECT_THAT(bytes_of_file(in_folder("looked.svg")), HasSubstr("layer 2 head 2"));
}

TEST_F(Complete, WholeWordsHaveTheProbabilityOfTheirCharactersAndOfAnEnd) {
  const auto words = json_of({"complete", "--model", model(), "Shall I & \"you", "--word", "--top", "20"})["words"];
  ASSERT_FALSE(words.empty());
  double sum = 0;
  for (const auto& one : words) sum += one["probability"].get<double>();
  EXPECT_LE(sum, 1 + 1e-5);
  EXPECT_GT(sum, 0.3);
  // A word of one mark has just the probability of that token.
  const auto next = json_of({"complete", "--model", model(), "Shall I ", "--tokens", "--top", "1000"})["next"];
  const auto marks = json_of({"complete", "--model", model(), "Shall I ", "--word", "--top", "40"});
  for (const auto& word : marks["words"])
    for (const auto& one : next) {
      if (one["text"] != "&" || word["text"] != "&") continue;
      EXPECT_NEAR(word["probability"].get<double>(), one["probability"].get<double>(), 1e-5);
    }
}

TEST_F(Complete, ReadsStandardInputAndLongTexts) {
  put_bytes(in_folder("prompt"), "Shall I\n");
  const auto read = [&] {
    ::close(0);
    ::open(in_folder("prompt").c_str(), O_RDONLY);
  };
  const finished done = running_program({"complete", "--model", model(), "--quiet", "--top", "2"}, read).wait();
  EXPECT_EQ(done.out, qkv_program({"complete", "--model", model(), "--quiet", "--top", "2", "Shall I"}).out);
  const auto without_times = [](const std::string& text) {
    auto result = nlohmann::json::parse(text);
    for (const char* time : {"seconds", "tokens_per_second"}) result.erase(time);
    return result;
  };
  const std::vector<std::vector<std::string>> commands{
      {"generate", "--model", model(), "--json", "--tokens", "4", "--prompt"},
      {"attend", "--model", model(), "--json", "--text"},
      {"explain", "--json"}};
  for (const auto& command : commands) {
    auto piped = command, given = command;
    piped.push_back("-"), given.push_back("Shall I");
    const finished said = running_program(piped, read).wait();
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_EQ(without_times(said.out), without_times(qkv_program(given).out)) << command[0];
  }
  const std::string line = "Shall I & \"you\" 'compare' {thee}";
  EXPECT_EQ(json_of({"complete", "--model", model(), line + "\n" + line})["attention"]["tokens"].size(), 24u);
}

TEST_F(Complete, SaysWhatOfALongTextIsLeftOut) {
  const std::string line = "Shall I & \"you\" 'compare' {thee}";  // 32 characters; the context has 24
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"complete", "--model", model(), line},
        std::vector<std::string>{"generate", "--model", model(), "--tokens", "3", "--prompt", line}}) {
    EXPECT_EQ(json_of(command)["left_out"], 8);
    EXPECT_THAT(qkv_program(command).err,
                HasSubstr("qkv " + command[0] +
                          ": the text has 32 tokens, the model's context 24: the first 8 are left out"));
  }
  EXPECT_EQ(json_of({"complete", "--model", model(), "Shall I"})["left_out"], 0);
}

TEST_F(Complete, ShowsNoWeightsOfAModelWithoutAttention) {
  const auto out = in_folder("gru");
  EXPECT_EQ(qkv_program(training(text(), out, {"--steps", "2", "--mixer", "gru", "-q"})).code, 0);
  EXPECT_FALSE(json_of({"complete", "--model", out, "Shall"}).contains("attention"));
  expect_refusal({"complete", "--model", out, "Shall", "--layer", "1"},
                 "expected a model with attention; found one with gru");
}

TEST_F(Complete, SaysWhatIsWrong) {
  expect_refusal({"complete", "--model", model()}, "expected a text to go on with");
  expect_refusal({"complete", "--model", model(), "ñ"}, "found \"ñ\" (U+00F1) as character 1");
  expect_refusal({"complete", "--model", model(), "\xff"}, "UTF-8");
  expect_refusal({"complete", "--model", model(), "I", "--layer", "9"}, "--layer: expected 1 to 2; found 9");
  expect_refusal({"complete", "--model", in_folder("none"), "I"}, "none");
  expect_refusal({"complete", "--model", model(), "I", "--top", "0"}, "--top");
}

TEST(ReleasedCompletion, TakesTheReleasedModelAndFindsWholeWords) {
  const auto words = json_of({"complete", "students opened their"})["words"];
  EXPECT_EQ(words.size(), 10u);
  const auto next = json_of({"complete", "ROMEO", "--tokens"})["next"];
  EXPECT_EQ(next[0]["text"], ".");
}

}  // namespace
}  // namespace qkv
