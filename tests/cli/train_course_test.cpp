// qkv train: how a run ends that does not go as it should, or no further: numbers that are not finite, and patience.
#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using TrainCourse = WithModel;

std::string folder_of_step(long step) {
  const std::string number = std::to_string(step);
  return "step-" + std::string(8 - number.size(), '0') + number;
}

std::vector<std::string> explosive(const std::filesystem::path& text, const std::filesystem::path& out,
                                   std::vector<std::string> more = {}) {
  for (const char* word : {"--learning-rate", "100", "--weight-decay", "100", "--warm-up", "0", "--steps", "300",
                           "--schedule", "constant", "-q"})
    more.push_back(word);
  return training(text, out, std::move(more));
}

TEST_F(TrainCourse, NamesWhatIsNotFiniteAndStops) {
  const finished done = qkv_program(explosive(text(), in_folder("burst")));
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, AllOf(testing::StartsWith("qkv train: step "), HasSubstr("expected finite numbers; found "),
                              HasSubstr("the weights are again those of step 0"), HasSubstr("--on-nan skip")));
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
}

TEST_F(TrainCourse, LeavesStepsOutWhereAskedAndSaysSo) {
  const finished done = qkv_program(explosive(text(), in_folder("skipped"), {"--on-nan", "skip"}));
  EXPECT_EQ(done.code, 1) << "ten of them are too many";
  EXPECT_THAT(done.err, HasSubstr("; its batch is left out\n"));
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 11) << done.err;
}

TEST_F(TrainCourse, KeepsWhatIsOnDiskWhenARunBursts) {
  const auto out = in_folder("kept");
  ASSERT_EQ(qkv_program(training(text(), out, {"--steps", "150", "--learning-rate", "100", "--weight-decay", "100",
                                               "--warm-up", "100000000", "--checkpoint-every", "120", "-q"}))
                .code,
            0);
  EXPECT_TRUE(std::filesystem::exists(out / "step-00000120"));
  EXPECT_EQ(qkv_program({"generate", "-m", out, "-n", "5", "-q"}).code, 0);
}

TEST_F(TrainCourse, StopsWhenPatienceEndsAndUsesTheBest) {
  const auto out = in_folder("patient");
  // So fast that it unlearns: the best is early.
  const auto result = json_of(training(text(), out, {"--steps", "100000", "--validate-every", "5", "--patience", "3",
                                                     "--learning-rate", "0.3", "--warm-up", "0"}));
  EXPECT_EQ(result["out_of_patience"], true);
  EXPECT_LT(result["step"].get<long>(), 100000);
  const long best = result["best_step"];
  EXPECT_EQ(result["step"].get<long>(), best + 15);
  EXPECT_TRUE(std::filesystem::exists(out / folder_of_step(best)));
  const finished more = qkv_program({"train", "--text", text(), "--out", out, "--resume", "--patience", "4"});
  EXPECT_EQ(more.code, 0) << more.err;
  EXPECT_THAT(more.out, HasSubstr("Out of patience after 4 validations. The lowest validation loss"));
}

}  // namespace
}  // namespace qkv
