// qkv train: learns, saves, resumes, and loses nothing when something goes wrong.
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <sstream>

#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;

using Train = WithModel;

/// Waits for the first report, does something, and interrupts.
void interrupt_when(const running_program& program, const std::function<void()>& meanwhile) {
  for (int i = 0; i < 6000 && program.err().find("step") == std::string::npos; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  meanwhile();
  program.interrupt();
}

void interrupt_after_the_first_report(const running_program& program) {
  interrupt_when(program, [] {});
}

/// The model in the latest checkpoint of a run's folder.
std::filesystem::path model_in(const std::filesystem::path& run) {
  std::filesystem::path latest;
  for (const auto& entry : std::filesystem::directory_iterator(run))
    if (entry.path().filename().string().starts_with("step-")) latest = std::max(latest, entry.path());
  return latest / "model.safetensors";
}

/// Steps of the latest checkpoint whose name is there.
long steps_in(const std::filesystem::path& run) {
  long latest = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(run, ignored)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("step-")) latest = std::max(latest, std::atol(name.c_str() + 5));
  }
  return latest;
}

TEST_F(Train, LearnsAndShowsWhatItWrites) {
  const finished done = qkv_program(training(text(), in_folder("shown"), {"--steps", "120", "--sample-every", "50"}));
  EXPECT_EQ(done.code, 0) << done.err;
  for (const char* part :
       {"before it has learned anything", "After 50 steps", "What it says after 120 steps", "saved in"})
    EXPECT_THAT(done.out, HasSubstr(part));
  EXPECT_THAT(done.err, HasSubstr("step 120/120  loss "));
  EXPECT_THAT(done.err, HasSubstr("tokens/s"));
  EXPECT_EQ(done.err.find('\r'), std::string::npos) << "plain lines in a file";
}

TEST_F(Train, LearnsWithEveryMixerAndOptionOfAttentionAndWritesAfterwards) {
  const std::vector<std::vector<std::string>> choices = {
      {"--mixer", "uniform", "--window", "6"},
      {"--mixer", "mlp"},
      {"--mixer", "convolution", "--taps", "3"},
      {"--mixer", "linear_attention", "--positions", "none"},
      {"--mixer", "gru"},
      {"--positions", "alibi", "--query-context", "3"},
      {"--positions", "local", "--position-range", "5", "--adapted-keys"},
      {"--positions", "relative", "--shared-projections", "query_key"},
      {"--positions", "rotary", "--separate-head"}};
  for (const auto& choice : choices) {
    SCOPED_TRACE(choice[0] + " " + choice[1]);
    std::vector<std::string> more{"--steps", "8", "-q", "--replace"};
    more.insert(more.end(), choice.begin(), choice.end());
    const auto file = in_folder("mixed");
    const finished done = qkv_program(training(text(), file, more));
    ASSERT_EQ(done.code, 0) << done.err;
    // Longer than the context: the window is read again, or the state begun again.
    const finished written = qkv_program({"generate", "--model", file, "--prompt", "a", "--tokens", "150"});
    EXPECT_EQ(written.code, 0) << written.err;
  }
}

TEST_F(Train, SaysWhichChoicesDoNotFitTogether) {
  const auto complaint = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--steps", "2"});
    return qkv_program(training(text(), in_folder("refused"), more)).err;
  };
  EXPECT_THAT(complaint({"--mixer", "fourier"}), HasSubstr("fourier, which has no causal form"));
  EXPECT_THAT(complaint({"--mixer", "gru", "--positions", "rotary"}),
              HasSubstr("or none, with the mixer gru; found rotary"));
  EXPECT_THAT(complaint({"--mixer", "magic"}), HasSubstr("--mixer"));
  EXPECT_THAT(complaint({"--taps", "3"}), HasSubstr("--taps: expected --mixer convolution"));
}

TEST_F(Train, WritesItsCurveAndItsResultForPrograms) {
  const auto run = in_folder("curved");
  const auto result = json_of(training(text(), run, {"--steps", "40", "--validate-every", "20"}));
  EXPECT_EQ(result["step"], 40);
  EXPECT_LT(result["validation_loss"].get<double>(), 4);
  EXPECT_FALSE(result["stopped"]);
  std::istringstream lines(bytes_of_file(run / "metrics.jsonl"));
  long count = 0, step = 0, validated = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto report = nlohmann::json::parse(line);
    step = report["step"];
    validated += report.contains("validation_loss");
  }
  EXPECT_EQ(count, 4);
  EXPECT_EQ(step, 40);
  EXPECT_EQ(validated, 2);
  EXPECT_THAT(bytes_of_file(run / "loss.svg"), HasSubstr("validation loss"));
}

TEST_F(Train, ResumedWritesTheSameBytesAsUninterrupted) {
  const auto whole = in_folder("whole"), parts = in_folder("parts");
  EXPECT_EQ(qkv_program(training(text(), whole, {"--steps", "1500", "-q"})).code, 0);
  running_program program(training(text(), parts, {"--steps", "1500"}));
  interrupt_after_the_first_report(program);
  const finished stopped = program.wait();
  ASSERT_THAT(stopped.out, HasSubstr("Stopped at step")) << "it was done before it could be interrupted";
  EXPECT_EQ(json_of({"train", "--text", text(), "--out", parts, "--resume"})["step"], 1500);
  EXPECT_TRUE(bytes_of_file(model_in(whole)) == bytes_of_file(model_in(parts)));
}

TEST_F(Train, StopsAfterTheSecondsItWasGiven) {
  const auto result = json_of(training(text(), in_folder("timed"), {"--seconds", "1"}));
  EXPECT_GT(result["step"].get<long>(), 1);
  EXPECT_LT(result["seconds"].get<double>(), 30);
}

TEST_F(Train, SavesWhenInterrupted) {
  const auto out = in_folder("interrupted");
  running_program program(training(text(), out, {"--seconds", "300"}));
  interrupt_after_the_first_report(program);
  const finished done = program.wait();
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("Stopped at step "));
  EXPECT_THAT(done.out, HasSubstr("--resume"));
  EXPECT_EQ(qkv_program({"generate", "--model", out, "--tokens", "5"}).code, 0);
  EXPECT_EQ(qkv_program({"train", "--text", text(), "--out", out, "--resume", "--seconds", "1", "-q"}).code, 0);
  // Without a limit of its own, the run that goes on has that of the run before.
  EXPECT_EQ(qkv_program({"train", "--text", text(), "--out", out, "--resume", "-q"}).code, 0);
}

TEST_F(Train, StopsBetweenTheBatchesOfAStepAndLosesNothing) {
  const auto whole = in_folder("whole steps"), parts = in_folder("parts of steps");
  const auto long_steps = [&](const std::filesystem::path& out) {
    return training(text(), out,
                    {"--steps", "3", "--accumulate", "800", "--validate-every", "1", "--checkpoint-every", "1"});
  };
  EXPECT_EQ(qkv_program(long_steps(whole)).code, 0);
  running_program program(long_steps(parts));
  interrupt_when(program, [] { std::this_thread::sleep_for(std::chrono::milliseconds(30)); });
  const finished stopped = program.wait();
  EXPECT_EQ(stopped.code, 0) << stopped.err;
  EXPECT_THAT(stopped.out, HasSubstr("Stopped at step 1, without the "));
  EXPECT_THAT(stopped.out, HasSubstr(" of 800 batches that were done of the next, which --resume takes again; saved"));
  const auto checkpoints = json_of({"inspect", parts.string()})["checkpoints"];
  ASSERT_EQ(checkpoints.size(), 1u);
  EXPECT_TRUE(checkpoints[0]["validation_loss"].is_number()) << "as it was before it was saved again";
  EXPECT_EQ(json_of({"train", "--text", text(), "--out", parts, "--resume"})["step"], 3);
  EXPECT_TRUE(bytes_of_file(model_in(whole)) == bytes_of_file(model_in(parts)));
}

TEST_F(Train, StoppedInItsFirstStepGoesOnFromTheBeginning) {
  const auto out = in_folder("first step");
  auto again = training(text(), out, {"--accumulate", "100000000", "--steps", "2"});
  for (const long attempt : {1, 2}) {
    running_program program(again);
    for (int i = 0; i < 6000 && program.out().find("model") == std::string::npos; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    program.interrupt();
    const finished stopped = program.wait();
    EXPECT_EQ(stopped.code, 0) << stopped.err;
    EXPECT_THAT(stopped.out, HasSubstr("Stopped at step 0")) << attempt;
    if (attempt == 1) again.push_back("--resume");
  }
  EXPECT_THAT(bytes_of_file(out / "options.json"), HasSubstr("--accumulate"));
}

TEST_F(Train, LeavesTheOptimiserOutWhenAsked) {
  const auto out = in_folder("light");
  EXPECT_EQ(qkv_program(training(text(), out, {"--steps", "3", "-q", "--weights-only"})).code, 0);
  EXPECT_LT(2 * std::filesystem::file_size(model_in(out)), std::filesystem::file_size(model_in(model())));
  expect_refusal({"train", "--text", text(), "--out", out, "--resume"}, "weights only");
}

TEST_F(Train, RefusesTextsThatAreNone) {
  const auto out = in_folder("never");
  put_bytes(in_folder("empty"), "");
  put_bytes(in_folder("binary"), std::string("\0\1\2\3\xff", 5));
  put_bytes(in_folder("short"), "too short");
  expect_refusal(training(in_folder("missing"), out), "missing");
  expect_refusal(training(in_folder("empty"), out), "expected a text");
  expect_refusal(training(in_folder("binary"), out), "expected a text");
  expect_refusal(training(in_folder("short"), out, {"-q"}), "trainer: expected a text");
  expect_refusal(training(in_folder("."), out), "expected a text");
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(Train, RefusesNumbersThatDoNotFitTogether) {
  expect_refusal({"train", "--text", text(), "--out", in_folder("never"), "--width", "30", "--heads", "4"}, "30");
  expect_refusal(training(text(), in_folder("never"), {"--dropout", "1.5"}), "--dropout");
  expect_refusal(training(text(), in_folder("never"), {"--steps", "0"}), "--steps");
  expect_refusal({"train", "--text", text()}, "--out");
  expect_refusal({"train", "--text", text(), "--out", model(), "--resume", "--width", "32"}, "--width");
}

TEST_F(Train, GoesOnWithTheSameCommandAndRefusesAnother) {
  const auto run = in_folder("again"), other = in_folder("other.txt");
  const auto again = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--steps", "9", "--resume", "-q"});
    return training(text(), run, more);
  };
  json_of(training(text(), run, {"--steps", "3", "--separate-head", "--seed", "5"}));
  expect_refusal(again({"--seed", "6"}), "the options that the run began with, --seed 5; found --seed 6");
  expect_refusal(again({"--taps", "2", "--mixer", "convolution"}), "no --");
  put_bytes(other, bytes_of_file(text()) + "more");
  auto of_another = again({});
  *std::ranges::find(of_another, std::string(text())) = other;
  expect_refusal(of_another, "--resume: expected in --text what the run began with; found another file");
  EXPECT_EQ(qkv_program(again({"--separate-head", "--seed", "5"})).code, 0);
}

TEST_F(Train, SaysWhichCheckpointIsDamagedWhereItGoesOnFromAnEarlierOne) {
  const auto run = in_folder("hurt");
  json_of(training(text(), run, {"--steps", "6", "--checkpoint-every", "3"}));
  std::filesystem::resize_file(run / "step-00000006" / "model.safetensors", 100);
  const finished done = qkv_program({"train", "--text", text(), "--out", run, "--resume", "-q"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("step-00000006 is damaged"));
  expect_refusal(training(text(), in_folder("seeded"), {"--seed", "-1"}), "--seed");
}

TEST_F(Train, RefusesAConfigurationWithOptionsThatThereAreNot) {
  const auto file = in_folder("typo.ini");
  put_bytes(file, "train.learnin-rate=3\n");
  expect_refusal({"--config", file, "train", "--text", text(), "--out", in_folder("typo"), "--steps", "2"},
                 "--config: expected options as --dump-config writes them; found train.learnin-rate");
}

TEST_F(Train, UsesTheWeightsOfTheRunThatReplacedAnother) {
  const auto run = in_folder("replaced");
  json_of(training(text(), run, {"--steps", "60"}));
  const auto shorter = json_of(training(text(), run, {"--steps", "2", "--replace", "--positions", "local"}));
  EXPECT_EQ(shorter["used_step"], 2) << "though the replaced run's loss was lower";
  EXPECT_EQ(json_of({"inspect", run.string()})["checkpoints"].size(), 1u);
}

TEST_F(Train, KeepsFilesThatAreNotItsOwn) {
  put_bytes(in_folder("diary.txt"), "dear diary");
  expect_refusal(training(text(), in_folder("diary.txt"), {"--steps", "3"}), "expected a folder for the run");
  EXPECT_EQ(bytes_of_file(in_folder("diary.txt")), "dear diary");
  std::filesystem::create_directory(in_folder("letters"));
  put_bytes(in_folder("letters") / "one.txt", "dear you");
  expect_refusal(training(text(), in_folder("letters"), {"--steps", "3", "--replace"}), "a folder of other files");
  expect_refusal(training(text(), in_folder("no/such/folder/model"), {"--steps", "3"}), "expected a folder");
  expect_refusal({"train", "--text", text(), "--out", in_folder("missing"), "--resume"},
                 "expected a checkpoint to resume from");
  expect_refusal(training(text(), model(), {"--steps", "3"}), "found one of 60 steps");
}

TEST_F(Train, RefusesWhatItWouldLearnInVain) {
  expect_refusal(training(text(), "", {"--steps", "3"}), "--out");
  const auto out = in_folder("ten");
  ASSERT_EQ(qkv_program(training(text(), out, {"--steps", "10", "-q"})).code, 0);
  const std::string before = bytes_of_file(model_in(out));
  expect_refusal({"train", "--text", text(), "--out", out, "--resume", "--steps", "5"},
                 "--steps: expected more than the 10 steps that the checkpoint has done; found 5");
  expect_refusal({"train", "--text", text(), "--out", out, "--resume"}, "expected more than the 10 steps");
  EXPECT_EQ(bytes_of_file(model_in(out)), before);
  EXPECT_EQ(json_of({"train", "--text", text(), "--out", out, "--resume", "--steps", "11", "--seconds", "0"})["step"],
            11);
}

// A limit on the size of files stands for a full disk where nobody may mount one.
void limit_files() {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{4096, 4096};
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

TEST_F(Train, KeepsTheEarlierCheckpointWhenTheDiskIsFull) {
  const auto out = in_folder("kept");
  ASSERT_EQ(qkv_program(training(text(), out, {"--steps", "3", "-q"})).code, 0);
  const std::string before = bytes_of_file(model_in(out));
  const finished done =
      running_program({"train", "--text", text(), "--out", out, "--resume", "--steps", "5", "-q"}, limit_files).wait();
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("kept"));
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  EXPECT_EQ(bytes_of_file(model_in(out)), before);
}

TEST_F(Train, KeepsTheEarlierCheckpointOnARealFullDisk) {
  const auto disk = in_folder("disk");
  std::filesystem::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=180k") != 0)
    GTEST_SKIP() << "no disk can be mounted here: " << std::strerror(errno);
  const auto out = disk / "model";
  EXPECT_EQ(qkv_program(training(text(), out, {"--steps", "3", "-q"})).code, 0);
  const std::string before = bytes_of_file(model_in(out));
  const finished done = qkv_program({"train", "--text", text(), "--out", out, "--resume", "--steps", "5", "-q"});
  const std::string after = bytes_of_file(model_in(out));
  ::umount(disk.c_str());
  EXPECT_EQ(done.code, 1) << "a checkpoint of " << before.size() << " bytes fitted twice";
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  EXPECT_EQ(after, before);
}

TEST_F(Train, RefusesASecondRunInItsFolder) {
  const auto out = in_folder("busy");
  running_program program(training(text(), out, {"--seconds", "300"}));
  interrupt_when(program, [&] {
    expect_refusal(training(text(), out, {"--steps", "3", "--replace"}), "locked by a run that still goes on");
  });
  EXPECT_EQ(program.wait().code, 0);
}

TEST_F(Train, ResumesFromTheLatestCheckpointThatIsWhole) {
  const auto out = in_folder("damaged");
  ASSERT_EQ(qkv_program(training(text(), out, {"--steps", "40", "--checkpoint-every", "20", "-q"})).code, 0);
  const auto latest = out / "step-00000040" / "model.safetensors";
  std::string bytes = bytes_of_file(latest);
  bytes[bytes.size() / 2] ^= 1;
  put_bytes(latest, bytes);
  const finished done = qkv_program({"train", "--text", text(), "--out", out, "--resume", "--steps", "41"});
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.err, HasSubstr("resuming at step 20"));
}

// Killed at any moment, also while it saves, a run can be resumed and ends with the bits of one that was not.
TEST_F(Train, KilledAndResumedWritesTheSameBytesAsUninterrupted) {
  const auto whole = in_folder("unkilled"), killed = in_folder("killed");
  const std::vector<std::string> often{"--steps", "300", "--checkpoint-every", "1", "-q"};
  ASSERT_EQ(qkv_program(training(text(), whole, often)).code, 0);
  for (int attempt = 0; attempt < 6; ++attempt) {
    const bool fresh = !std::filesystem::exists(killed) || steps_in(killed) == 0;
    running_program program(fresh ? training(text(), killed, often)
                                  : std::vector<std::string>{"train", "--text", text(), "--out", killed, "--resume", "-q"});
    const long before = fresh ? 0 : steps_in(killed);
    for (int i = 0; i < 4000 && steps_in(killed) < before + 3; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::microseconds(700 * attempt));
    program.kill();
    program.wait();
  }
  const finished done = qkv_program({"train", "--text", text(), "--out", killed, "--resume", "-q"});
  EXPECT_TRUE(done.code == 0 || done.err.find("expected more than the 300 steps") != std::string::npos) << done.err;
  EXPECT_TRUE(bytes_of_file(model_in(whole)) == bytes_of_file(model_in(killed)));
}

TEST_F(Train, SaysWhatItWouldTakeAndWritesNothing) {
  const auto result = json_of(training(text(), in_folder("dry"), {"--dry-run", "--steps", "1000"}));
  EXPECT_GT(result["parameters"].get<long>(), 1000);
  EXPECT_GT(result["targets_per_second"].get<double>(), 0);
  EXPECT_EQ(result["steps"], 1000);
  EXPECT_FALSE(std::filesystem::exists(in_folder("dry")));
}

TEST_F(Train, SaysWhatItWouldTakeOfAnyNumberOfBatchesAStep) {
  const auto take = [&](const std::string& batches) {
    return json_of(training(text(), in_folder("dry"), {"--dry-run", "--steps", "1000", "--accumulate", batches}));
  };
  const auto few = take("2"), many = take("1000000000");
  EXPECT_GT(many["seconds_a_step"].get<double>(), 1e7 * few["seconds_a_step"].get<double>());
  EXPECT_EQ(many["parameters"], few["parameters"]);
  const finished shown = qkv_program(
      training(text(), in_folder("dry"), {"--dry-run", "--steps", "1000000000", "--accumulate", "1000000000"}));
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, testing::Not(HasSubstr("time           -")));
}

TEST_F(Train, ReadsTheConfigurationThatItDumps) {
  const finished dumped = qkv_program(training(text(), in_folder("from_file"), {"--steps", "12", "--dump-config"}));
  ASSERT_EQ(dumped.code, 0) << dumped.err;
  put_bytes(in_folder("config.toml"), dumped.out);
  EXPECT_EQ(json_of({"train", "--config", in_folder("config.toml")})["step"], 12);
}

}  // namespace
}  // namespace qkv
