// qkv evaluate: losses that agree with those of training, and what it refuses.
#include <cmath>

#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;

using Evaluate = WithModel;

TEST_F(Evaluate, TellsLossPerplexityAndBitsOfALanguageModel) {
  const auto all = json_of({"evaluate", "--model", model(), "--text", text()});
  const double loss = all["loss"];
  EXPECT_NEAR(all["perplexity"].get<double>(), std::exp(loss), 1e-6);
  const double bits = loss * all["tokens"].get<double>() / std::log(2.0) / all["bytes"].get<double>();
  EXPECT_NEAR(all["bits_per_byte"].get<double>(), bits, 1e-9);
  const finished shown = qkv_program({"evaluate", "--model", model(), "--text", text()});
  EXPECT_THAT(shown.out, HasSubstr("nats a token"));
  EXPECT_THAT(shown.out, HasSubstr("perplexity"));
  EXPECT_EQ(shown.err, "");
}

TEST_F(Evaluate, IsNearTheValidationLossOfTraining) {
  const auto held_out = json_of({"evaluate", "--model", model(), "--text", text(), "--held-out"});
  const auto stored = json_of({"inspect", model()});
  EXPECT_NEAR(held_out["loss"].get<double>(), stored["validation_loss"].get<double>(), 0.1);
}

TEST_F(Evaluate, AgreesWithTheProbabilitiesOfCompletion) {
  // "Shall" predicts "hall" letter by letter.
  put_bytes(in_folder("word.txt"), "Shall");
  double sum = 0;
  const std::vector<std::pair<std::string, std::string>> steps{{"S", "h"}, {"Sh", "a"}, {"Sha", "l"}, {"Shal", "l"}};
  for (const auto& [before, after] : steps) {
    const auto result = json_of({"complete", "--model", model(), before, "--tokens", "--top", "1000"});
    for (const auto& one : result["next"])
      if (one["text"] == after) sum -= std::log(one["probability"].get<double>());
  }
  const auto all = json_of({"evaluate", "--model", model(), "--text", in_folder("word.txt")});
  EXPECT_EQ(all["tokens"], 4);
  EXPECT_NEAR(all["loss"].get<double>(), sum / 4, 1e-4);
}

TEST_F(Evaluate, OverlappingWindowsCountEveryTokenOnce) {
  const auto apart = json_of({"evaluate", "--model", model(), "--text", text()});
  const auto close = json_of({"evaluate", "--model", model(), "--text", text(), "--stride", "5"});
  EXPECT_EQ(apart["tokens"], close["tokens"]);
  EXPECT_NEAR(apart["loss"].get<double>(), close["loss"].get<double>(), 0.3);
}

TEST_F(Evaluate, SaysWhatIsWrong) {
  put_bytes(in_folder("one.txt"), "S");
  put_bytes(in_folder("none.txt"), "");
  expect_refusal({"evaluate", "--model", model()}, "expected --text FILE, on which a language model is evaluated");
  expect_refusal({"evaluate", "--model", model(), "--images", in_folder(".")}, "expected --text FILE");
  expect_refusal({"evaluate", "--model", model(), "--text", in_folder("one.txt")}, "expected at least 2 tokens");
  expect_refusal({"evaluate", "--model", model(), "--text", in_folder("none.txt")}, "none.txt");
  expect_refusal({"evaluate", "--model", model(), "--text", in_folder("missing")}, "missing");
  expect_refusal({"evaluate", "--model", model(), "--text", text(), "--seed", "1"}, "--seed: expected a masked language model, whose option it is; found a language model");
  expect_refusal({"evaluate", "--model", model(), "--text", text(), "--beam", "2"}, "--beam: expected a translator");
  expect_refusal({"evaluate", "--model", model(), "--text", text(), "--all"}, "--all: expected a classifier");
  expect_refusal({"evaluate", "--model", model(), "--text", text(), "--stride", "25"},
                 "--stride: expected at most 24, the context of this model; found 25");
  expect_refusal({"evaluate", "--text", text()}, "--model");
  expect_refusal({"evaluate", "--model", model(), "--source", text()}, "--target");
}

}  // namespace
}  // namespace qkv
