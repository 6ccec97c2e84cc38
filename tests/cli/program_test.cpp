// The program as a whole: help, versions, wrong arguments, full disks.
#include "tests/cli/program.h"

namespace qkv {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> commands{"train", "generate", "classify", "attend", "explain", "race", "info"};

TEST(Program, ListsItsCommandsInItsHelp) {
  const finished done = qkv_program({"--help"});
  EXPECT_EQ(done.code, 0);
  for (const std::string& command : commands) EXPECT_THAT(done.out, HasSubstr("\n  " + command + " "));
}

TEST(Program, EveryCommandExplainsItselfWithAnExample) {
  for (const std::string& command : commands) {
    const finished done = qkv_program({command, "--help"});
    EXPECT_EQ(done.code, 0) << command;
    EXPECT_EQ(done.err, "");
    EXPECT_THAT(done.out, HasSubstr("Usage: qkv " + command + " "));
    EXPECT_THAT(done.out, HasSubstr("Example:\n  qkv " + command));
    EXPECT_THAT(done.out, HasSubstr("--json"));
    EXPECT_THAT(done.out, HasSubstr("--quiet"));
  }
}

TEST(Program, SaysItsVersion) {
  const finished done = qkv_program({"--version"});
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.out, testing::MatchesRegex("qkv [0-9.]+.*\n"));
}

TEST(Program, RefusesWhatItDoesNotKnow) {
  expect_refusal({}, "expected a command; see qkv --help");
  expect_refusal({"sing"}, "unknown command sing");
  expect_refusal({"--sing"}, "unknown argument --sing");
  for (const std::string& command : commands) expect_refusal({command, "--sing"}, "see qkv " + command + " --help");
  expect_refusal({"explain", "he likes school", "--sing"}, "unknown argument --sing");
  expect_refusal({"race", "--tokens", "many"}, "--tokens");
  expect_refusal({"race", "--tokens", "-1"}, "--tokens");
  expect_refusal({"race", "--heads", "0"}, "--heads");
}

TEST(Program, NoOptionTakesANumberThatIsNone) {
  long options = 0;
  for (const std::string command : {"train", "generate", "translate"}) {
    std::istringstream lines(qkv_program({command, "--help"}).out);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t name = line.find("--"), type = line.find(" FLOAT");
      if (name == std::string::npos || type == std::string::npos) continue;
      const std::string option = line.substr(name, type - name);
      expect_refusal({command, option, "nan"}, option + ": expected a number from ");
      ++options;
    }
  }
  EXPECT_GE(options, 11);
}

TEST(Program, SaysThatAFullDiskTookNoOutput) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"info"}, {"explain", "a b"}, {"--help"}}) {
    const finished done = running_program(arguments, {}, "/dev/full").wait();
    EXPECT_EQ(done.code, 1);
    EXPECT_THAT(done.err, HasSubstr("standard output: expected room"));
  }
}

TEST(Info, SaysWhatIsInUse) {
  const auto info = json_of({"info"});
  EXPECT_THAT((std::vector<std::string>{"portable", "avx2", "avx512"}), testing::Contains(info["instruction_set"]));
  EXPECT_GE(info["threads"].get<int>(), 1);
  EXPECT_GT(info["available_memory_bytes"].get<double>(), 0);
}

TEST(Info, SaysWhatALowerInstructionSetWouldBe) {
  const finished lower = running_program({"info"}, [] { ::setenv("QKV_ISA", "portable", 1); }).wait();
  EXPECT_EQ(lower.code, 0);
  EXPECT_THAT(lower.out, HasSubstr("portable"));
  const finished wrong = running_program({"info"}, [] { ::setenv("QKV_ISA", "abacus", 1); }).wait();
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("abacus"));
}

TEST(Info, PrintsNothingWhereTheNumberOfThreadsIsWrong) {
  const finished wrong = running_program({"info"}, [] { ::setenv("QKV_THREADS", "0", 1); }).wait();
  EXPECT_EQ(wrong.code, 1);
  EXPECT_EQ(wrong.out, "");
  EXPECT_THAT(wrong.err, HasSubstr("QKV_THREADS: expected a whole number"));
}

}  // namespace
}  // namespace qkv
