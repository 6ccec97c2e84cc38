// qkv race: both ways compute the same, and the plan keeps within the machine's memory.
#include "apps/cli/race.h"

#include <cmath>

#include "tests/cli/program.h"

namespace qkv {
namespace {

using testing::HasSubstr;

TEST(Race, AgreesForEverySize) {
  for (const std::string tokens : {"0", "1", "2", "17", "300", "1025"}) {
    SCOPED_TRACE(tokens);
    const auto race = json_of({"race", "--tokens", tokens, "--heads", "3", "--width", "20"});
    EXPECT_LT(race["largest_difference"].get<double>(), 1e-5);
    const double a = race["lambda"]["gradient"], b = race["lambda"]["numerical_gradient"];
    EXPECT_NEAR(a, b, 1e-2 * std::max(std::abs(a), 1e-6));
    EXPECT_EQ(race["fused"]["seconds"].get<double>() > 0, tokens != "0");
  }
}

TEST(Race, ShowsBarsAndTheLambda) {
  const finished done = qkv_program({"race", "--tokens", "700"});
  EXPECT_EQ(done.code, 0) << done.err;
  for (const char* part :
       {"N x N  #", "fused  ", "memory beyond the inputs", "largest difference", "[](auto s, auto at)"})
    EXPECT_THAT(done.out, HasSubstr(part));
}

TEST(Race, PrintsOneLineWhenQuiet) {
  EXPECT_THAT(qkv_program({"race", "--tokens", "700", "-q"}).out,
              testing::MatchesRegex("[0-9.]+ times faster, [0-9.]+ times less memory\n"));
}

TEST(Race, TakesLessMemoryThanNByN) {
  const auto race = json_of({"race", "--tokens", "3000", "--heads", "2", "--width", "32"});
  const double weights = 2 * 3000.0 * 3000 * 4;
  EXPECT_GE(race["square"]["bytes"].get<double>(), weights);
  EXPECT_LT(race["square"]["bytes"].get<double>(), 1.4 * weights) << "the N x N way is not made worse than it is";
  EXPECT_LT(race["fused"]["bytes"].get<double>(), 0.3 * race["square"]["bytes"].get<double>());
}

constexpr double gib = 1 << 30;

TEST(RacePlan, HoldsAllHeadsWhereTheyFit) {
  const auto plan = cli::plan_race(16384, 4, 64, 16 * gib);
  EXPECT_EQ(plan.queries, 16384);
  EXPECT_EQ(plan.heads_at_once, 4);
  EXPECT_EQ(plan.remark, "");
}

TEST(RacePlan, HoldsFewerHeadsOnASmallerMachine) {
  const auto plan = cli::plan_race(16384, 4, 64, 4 * gib);
  EXPECT_EQ(plan.queries, 16384);
  EXPECT_EQ(plan.heads_at_once, 2);
  EXPECT_THAT(plan.remark, HasSubstr("2 of 4 heads at a time"));
}

TEST(RacePlan, RunsFewerQueriesWhereNoHeadFits) {
  const auto plan = cli::plan_race(16384, 4, 64, 1 * gib);
  EXPECT_EQ(plan.heads_at_once, 1);
  EXPECT_LT(plan.queries, 16384);
  EXPECT_GT(plan.queries, 1000);
  EXPECT_THAT(plan.remark, HasSubstr("of the 16384 queries, against all keys"));
}

TEST(RacePlan, RefusesWhereNotEvenTheInputsFit) {
  EXPECT_THROW(cli::plan_race(1 << 24, 64, 128, 8 * gib), std::runtime_error);
}

TEST(Race, RefusesWhatNoMachineHolds) {
  expect_refusal({"race", "--tokens", "16777216", "--heads", "1024", "--width", "4096"}, "expected room for queries");
}

}  // namespace
}  // namespace qkv
