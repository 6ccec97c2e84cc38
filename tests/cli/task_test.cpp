// qkv train --task: what is made up is learned, and the run is one like any other.
#include <sstream>

#include "tests/cli/program.h"

namespace qkv {
namespace {

using testing::HasSubstr;

class TrainTask : public testing::Test {
 protected:
  std::filesystem::path in_folder(const std::string& name) const { return folder_ / name; }
  std::vector<std::string> training(const std::string& task, const std::filesystem::path& out,
                                    std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"train", "--task", task, "--out", out};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

 private:
  temporary_folder folder_;
};

double last_accuracy_in(const std::filesystem::path& run) {
  std::istringstream lines(bytes_of_file(run / "metrics.jsonl"));
  double accuracy = -1;
  for (std::string line; std::getline(lines, line);) {
    const auto report = nlohmann::json::parse(line);
    if (report.contains("accuracy")) accuracy = report["accuracy"];
  }
  return accuracy;
}

TEST_F(TrainTask, TeachesEveryTaskToAModelThatTheOtherCommandsOpen) {
  for (const std::string task : {"copy", "reverse", "addition", "recall", "induction"}) {
    SCOPED_TRACE(task);
    const auto out = in_folder(task);
    std::vector<std::string> more{"--steps", "2", "--batch", "2", "--layers", "1", "--width", "8", "--heads", "1"};
    if (task == "recall" || task == "induction") more.insert(more.end(), {"--task-length", "16"});
    const auto result = json_of(training(task, out, more));
    EXPECT_LT(result["accuracy"].get<double>(), 0.9);
    EXPECT_EQ(result["accuracy"], last_accuracy_in(out));
    const std::string prompt = task == "addition" ? "1+" : "=";
    const std::string letters = task == "recall" || task == "induction" ? "AB" : prompt;
    EXPECT_EQ(qkv_program({"generate", "--model", out, "--prompt", letters, "--tokens", "3"}).code, 0);
    EXPECT_EQ(qkv_program({"attend", "--model", out, "--text", letters, "--heads"}).code, 0);
  }
}

TEST_F(TrainTask, TranslatesDates) {
  const auto out = in_folder("dates");
  const auto result = json_of(training("dates", out, {"--steps", "3", "--layers", "1", "--width", "8", "--heads", "1"}));
  EXPECT_EQ(result["accuracy"], last_accuracy_in(out));
  const auto said = json_of({"translate", "--model", out, "3 March 2019", "--align"});
  for (const auto& digit : said["translations"][0]["alignment"])  // what each character was made from
    EXPECT_LE(digit["target"].get<std::string>().size(), 1u) << digit;
}

TEST_F(TrainTask, LearnsToCopyAndToReverseShortWords) {
  for (const std::string task : {"copy", "reverse"})
    EXPECT_GE(json_of(training(task, in_folder(task), {"--task-length", "4", "--steps", "500"}))["accuracy"], 0.99) << task;
}

TEST_F(TrainTask, ShowsWhatIsRightAndWhatIsNot) {
  const finished done = qkv_program(training("addition", in_folder("shown"), {"--steps", "2", "--batch", "2"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("add two numbers"));
  EXPECT_THAT(done.out, HasSubstr("(expected "));
  EXPECT_THAT(done.out, HasSubstr("of what was held out right"));
}

TEST_F(TrainTask, GoesOnWithTheSameBits) {
  const auto whole = in_folder("whole"), parts = in_folder("parts");
  const std::vector<std::string> small{"--width", "8", "--heads", "1", "--batch", "4", "--schedule", "constant"};
  const auto with_steps = [&](const char* steps) {
    auto all = small;
    all.insert(all.end(), {"--steps", steps});
    return all;
  };
  const double expected = json_of(training("copy", whole, with_steps("20")))["validation_loss"];
  json_of(training("copy", parts, with_steps("10")));
  EXPECT_EQ(json_of(training("copy", parts, {"--resume", "--steps", "20"}))["validation_loss"], expected);
  expect_refusal(training("addition", parts, {"--resume", "--steps", "30"}), "--task copy; found --task addition");
  expect_refusal(training("copy", parts, {"--task-length", "40", "--resume", "--steps", "30"}),
                 "no --task-length; found --task-length 40");
}

TEST_F(TrainTask, RefusesWhatIsNoTask) {
  const auto out = in_folder("never");
  expect_refusal(training("chess", out), "expected one of copy, reverse, addition, recall, induction, dates; found ch");
  expect_refusal(training("copy", out, {"--text", "a.txt"}), "--task: expected no files");
  expect_refusal(training("copy", out, {"--source", "a", "--target", "b"}), "--task: expected no files");
  expect_refusal(training("copy", out, {"--images", "a"}), "--task: expected no files");
  expect_refusal(training("copy", out, {"--task-length", "3"}), "a length of 4 to 512");
  expect_refusal(training("dates", out, {"--task-length", "2"}), "a length of 1 to 1");
  expect_refusal(training("copy", out, {"--epochs", "2"}), "--epochs");
  expect_refusal(training("copy", out, {"--context", "5"}), "--context: expected at least 18");
  expect_refusal(training("copy", out, {"--alignment", "dot"}), "--alignment");
  expect_refusal({"train", "--out", out, "--task-length", "3"}, "--task");
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace qkv
