// qkv train: presets, the environment, and options that belong to another training.
#include <cstdlib>

#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using TrainOptions = WithModel;

finished with_variable(const char* name, const char* value, std::vector<std::string> arguments) {
  return running_program(std::move(arguments), [&] { ::setenv(name, value, 1); }).wait();
}

TEST_F(TrainOptions, OfAnotherTrainingAreRefused) {
  const std::string file = text();
  const std::vector<std::string> translation{"train", "--source", file, "--target", file, "--out", in_folder("never")};
  const auto expect_refused = [](std::vector<std::string> arguments, std::vector<std::string> more,
                                 const std::string& part) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_refusal(arguments, part);
  };
  expect_refused(translation, {"--window", "8"},
                 "--window: expected --text without --masked or a --task to be continued, to whose training it belongs; "
                 "found --source");
  expect_refused(translation, {"--mixer", "gru"}, "--mixer: expected --text");
  expect_refused(translation, {"--flip"}, "--flip: expected --images, to whose training it belongs; found --source");
  expect_refused(translation, {"--alignment", "dot", "--heads", "2"}, "--heads: expected a transformer");
  expect_refused(translation, {"--one-direction", "--norms", "after"}, "--norms: expected a transformer");
  const auto of_text = training(text(), in_folder("never"));
  expect_refused(of_text, {"--separate-vocabularies"},
                 "--separate-vocabularies: expected --source or --pairs, to whose training it belongs; found --text");
  expect_refused(of_text, {"--flip"}, "--flip: expected --images");
  expect_refused(of_text, {"--position-range", "8"}, "--position-range: expected --positions relative or local");
  expect_refused({"train", "--labelled", file, "--pairs", file, "--out", in_folder("never")}, {}, "--pairs");
  expect_refused(of_text, {"--masked", "--window", "4"}, "--window: expected --text without --masked");
  expect_refused(of_text, {"--label-smoothing", "0.1"}, "--label-smoothing: expected --source or --pairs or --images");
  expect_refused(of_text, {"--skip-bad-lines"}, "--skip-bad-lines: expected --source or --pairs or --field");
  const std::vector<std::string> pictures{"train", "--images", in_folder("none"), "--out", in_folder("never")};
  expect_refused(pictures, {"--tokens", "words"}, "--tokens: expected --text or --source or --pairs or --labelled");
  expect_refused(pictures, {"--batch-tokens", "100"}, "--batch-tokens: expected --source or --pairs or a --task");
  expect_refused(pictures, {"--context", "100"}, "--context: expected --text or --source");
  const std::vector<std::string> dates{"train", "--task", "dates", "--out", in_folder("never")};
  expect_refused(dates, {"--mixer", "gru"}, "or a --task to be continued, to whose training it belongs; found --task");
  const std::vector<std::string> copy{"train", "--task", "copy", "--out", in_folder("never")};
  expect_refused(copy, {"--cell", "gru"}, "or a --task to be translated, to whose training it belongs; found --task");
  expect_refused(copy, {"--label-smoothing", "0.1"}, "or a --task to be translated");
  EXPECT_FALSE(std::filesystem::exists(in_folder("never")));
}

TEST_F(TrainOptions, ThatNothingUsesAreRefused) {
  const auto refuse = [](std::vector<std::string> more, const std::string& part) {
    expect_refusal(training(text(), in_folder("never"), std::move(more)), part);
  };
  refuse({"--momentum", "0.9"}, "--momentum: expected --optimiser sgd or muon, which has use for it; found adamw");
  refuse({"--momentum", "0.9", "--optimiser", "adam"}, "found adam");
  const auto done =
      json_of(training(text(), in_folder("sgd"), {"--momentum", "0.9", "--optimiser", "sgd", "--steps", "2"}));
  EXPECT_EQ(done["step"], 2);
}

TEST_F(TrainOptions, TakeNoNumberThatIsNoneAndNoWordByItsNumber) {
  const auto refuse = [](std::vector<std::string> more, const std::string& part) {
    expect_refusal(training(text(), in_folder("never"), std::move(more)), part);
  };
  refuse({"--seconds", "nan"}, "--seconds: expected a number from 0 to 1000000000; found nan");
  refuse({"--learning-rate", "inf"}, "--learning-rate: expected a number from 0 to 100; found inf");
  refuse({"--schedule", "nope"},
         "--schedule: expected one of cosine, inverse-square-root, warm-stable-decay, constant; found nope");
  refuse({"--schedule", "3"}, "found 3");
  refuse({"--optimiser", "2"}, "--optimiser: expected one of adamw, adam, sgd, muon; found 2");
  refuse({"--on-nan", "1"}, "--on-nan: expected one of stop, skip; found 1");
  refuse({"--mixer", "nope"}, "--mixer: expected one of attention, ");
}

TEST_F(TrainOptions, NamesTheFileThatIsTooShort) {
  put_bytes(in_folder("short.txt"), "Shall I compare thee?\n");
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, std::vector<std::string>{"--masked"}})
    expect_refusal(training(in_folder("short.txt"), in_folder("never"), more),
                   "short.txt: trainer: expected a text of which a tenth has at least 25 tokens");
}

TEST_F(TrainOptions, OfPresetsAreListedForPrograms) {
  const auto all = json_of({"train", "--list-presets"});
  ASSERT_GE(all.size(), 6u);
  EXPECT_EQ(all[0]["name"], "tiny");
  EXPECT_EQ(all[0]["options"]["--layers"], "2");
  const std::string shown = qkv_program({"train", "--list-presets"}).out;
  for (const auto& one : all)
    for (const char* key : {"name", "data", "what"}) EXPECT_THAT(shown, HasSubstr(one[key].get<std::string>()));
}

TEST_F(TrainOptions, ThatAreFlagsGivenAsFalseAreNotGiven) {
  const std::vector<std::string> translation{"train", "--source", text(), "--target", text(), "--out", in_folder("no"),
                                             "--steps", "1", "--layers", "1", "--width", "8", "--heads", "1",
                                             "--tokens", "characters", "--context", "80", "--batch", "2", "--replace"};
  ASSERT_EQ(with_variable("QKV_TRAIN_ONE_DIRECTION", "0", translation).code, 0);
  EXPECT_EQ(json_of({"inspect", in_folder("no")})["kind"], "translator, an encoder and a decoder");
  auto by_value = translation;
  by_value.push_back("--one-direction=false");
  ASSERT_EQ(qkv_program(by_value).code, 0);
  EXPECT_EQ(json_of({"inspect", in_folder("no")})["kind"], "translator, an encoder and a decoder");
  const auto windowed = training(text(), in_folder("no"), {"--window", "4", "--steps", "1", "--replace"});
  EXPECT_EQ(with_variable("QKV_TRAIN_MASKED", "false", windowed).code, 0);
  EXPECT_EQ(with_variable("QKV_TRAIN_FLIP", "false", windowed).code, 0);
}

TEST_F(TrainOptions, ThatSayTheSameAreTheSameOnResume) {
  const auto out = in_folder("spelled");
  ASSERT_EQ(qkv_program(training(text(), out, {"--steps", "2", "--learning-rate", "1e-3", "-q"})).code, 0);
  const auto again = [&](const char* rate, const char* steps) {
    return training(text(), out, {"--steps", steps, "--learning-rate", rate, "--resume", "-q"});
  };
  EXPECT_EQ(qkv_program(again("0.001", "3")).code, 0);
  expect_refusal(again("0.002", "4"), "--learning-rate 1e-3; found --learning-rate 0.002");
  expect_refusal(training(text(), out, {"--resume", "--dry-run"}), "--dry-run: expected a run that has not begun");
  put_bytes(out / "options.json", "[1]");
  expect_refusal({"train", "--text", text(), "--out", out, "--resume", "--steps", "4"}, "options.json: expected the options");
  std::filesystem::remove(out / "options.json");
  expect_refusal(again("0.001", "4"), "because the folder does not say which options its run began with; found --");
  EXPECT_EQ(qkv_program({"train", "--text", text(), "--out", out, "--resume", "--steps", "4", "-q"}).code, 0);
}

TEST_F(TrainOptions, OfAPresetFillWhatIsNotGiven) {
  const std::vector<std::string> given{"train", "--text", text(), "--out", in_folder("preset"), "--width", "32",
                                       "--preset", "nanogpt-cpu-character", "--dump-config"};
  const finished dumped = qkv_program(given);
  ASSERT_EQ(dumped.code, 0) << dumped.err;
  EXPECT_THAT(dumped.out, AllOf(HasSubstr("train.width=32"), HasSubstr("train.layers=4"), HasSubstr("train.batch=12"),
                                HasSubstr("train.steps=2000"), Not(HasSubstr("train.width=128"))));
  put_bytes(in_folder("preset.toml"), dumped.out);
  const auto result = json_of({"train", "--config", in_folder("preset.toml"), "--steps", "3", "--layers", "1"});
  EXPECT_EQ(result["step"], 3);
}

TEST_F(TrainOptions, OfEveryPresetAreKnown) {
  const finished list = qkv_program({"train", "--list-presets"});
  ASSERT_EQ(list.code, 0) << list.err;
  long presets = 0;
  std::istringstream lines(list.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == ' ') continue;
    ++presets;
    const std::string name = line.substr(0, line.find(' '));
    const bool translation = line.find("--source") != std::string::npos;
    std::vector<std::string> arguments{"train", "--preset", name, "--out", in_folder("any"), "--dump-config"};
    for (const std::string& data : translation ? std::vector<std::string>{"--source", text(), "--target", text()}
                                               : std::vector<std::string>{"--text", text()})
      arguments.push_back(data);
    const finished dumped = qkv_program(arguments);
    EXPECT_EQ(dumped.code, 0) << name << ": " << dumped.err;
    EXPECT_THAT(dumped.out, HasSubstr("train.layers=")) << name;
  }
  EXPECT_GE(presets, 6);
}

TEST_F(TrainOptions, OfAPresetGiveWayToAnotherWayToSayTheSame) {
  const std::vector<std::string> given{"train", "--source", text(), "--target", text(), "--out", in_folder("p"),
                                       "--preset", "multi30k-de-en", "--steps", "5", "--dump-config"};
  const finished dumped = qkv_program(given);
  EXPECT_THAT(dumped.out, AllOf(HasSubstr("train.steps=5"), Not(HasSubstr("epochs")), HasSubstr("batch-tokens=3000")));
  expect_refusal({"train", "--text", text(), "--out", in_folder("p"), "--preset", "multi30k-de-en"},
                 "--preset: expected --source, which multi30k-de-en is for");
  expect_refusal({"train", "--text", text(), "--out", in_folder("p"), "--preset", "huge"},
                 "--preset: expected one of those that --list-presets shows; found huge");
}

TEST_F(TrainOptions, ComeFromTheEnvironmentWhereTheyAreNotGiven) {
  auto arguments = training(text(), in_folder("environment"), {"--dump-config"});
  EXPECT_THAT(with_variable("QKV_TRAIN_LEARNING_RATE", "0.25", arguments).out, HasSubstr("train.learning-rate=0.25"));
  arguments.insert(arguments.end(), {"--learning-rate", "0.5"});
  EXPECT_THAT(with_variable("QKV_TRAIN_LEARNING_RATE", "0.25", arguments).out, HasSubstr("train.learning-rate=0.5"));
  const finished wrong = with_variable("QKV_TRAIN_STEPS", "none", training(text(), in_folder("environment")));
  EXPECT_EQ(wrong.code, 2) << wrong.err;
  EXPECT_THAT(qkv_program({"train", "--help"}).out,
              AllOf(HasSubstr("QKV_TRAIN_LEARNING_RATE"), Not(HasSubstr("(Env:"))));
}

TEST_F(TrainOptions, ChooseTheOptimiserAndLessMemory) {
  for (const char* name : {"adam", "sgd", "muon"}) {
    const auto out = in_folder(std::string("by_") + name);
    const auto half = training(text(), out, {"--optimiser", name, "--steps", "4", "-q"});
    ASSERT_EQ(qkv_program(half).code, 0);
    EXPECT_EQ(json_of({"train", "--text", text(), "--out", out, "--resume", "--steps", "8"})["step"], 8);
    const auto whole = in_folder(std::string("whole_") + name);
    ASSERT_EQ(qkv_program(training(text(), whole, {"--optimiser", name, "--steps", "8", "--warm-up", "100", "-q",
                                                   "--recompute"}))
                  .code,
              0);
  }
  expect_refusal(training(text(), in_folder("no"), {"--optimiser", "lion"}), "--optimiser");
}

}  // namespace
}  // namespace qkv
