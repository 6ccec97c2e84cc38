#include "qkv/train/run_folder.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "qkv/base/error.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

void save(run_folder& run, long step, double loss, const std::string& contents) {
  run.save(step, loss, [&](const fs::path& path) { put_bytes(path, contents); });
}

class RunFolder : public ::testing::Test {
 protected:
  temporary_folder folder_;
  fs::path run_ = folder_ / "run";
};

TEST_F(RunFolder, GivesTheModelOfTheLowestValidationLossToUseAndTheLatestToResume) {
  run_folder run(run_);
  for (const auto& [step, loss] : {std::pair(10L, 3.0), {20L, 2.0}, {30L, 2.5}, {40L, 2.6}, {50L, 2.7}})
    save(run, step, loss, "model " + std::to_string(step));
  EXPECT_EQ(bytes_of_file(model_file_at(run_)), "model 20");
  EXPECT_EQ(run.newest()->step, 50);
  EXPECT_EQ(valid_steps(run_).size(), 3u) << "the best and the latest two";
}

TEST_F(RunFolder, TakesTheLatestWhereNoneWasValidated) {
  run_folder run(run_);
  save(run, 1, NAN, "one");
  save(run, 2, NAN, "two");
  EXPECT_EQ(bytes_of_file(model_file_at(run_)), "two");
  EXPECT_EQ(model_file_at("a/file"), "a/file");
}

TEST_F(RunFolder, PassesOverWhatIsDamagedOrUnfinished) {
  run_folder run(run_);
  save(run, 1, NAN, "one");
  save(run, 2, NAN, "two");
  put_bytes(run_ / "step-00000002" / "model.safetensors", "twO");
  fs::create_directory(run_ / "step-00000003");
  put_bytes(run_ / "step-00000003" / "model.safetensors", "three");  // no manifest: it was never finished
  EXPECT_EQ(run.newest()->step, 1);
  put_bytes(run_ / "step-by-step.md", "not a checkpoint");
  EXPECT_THAT(run.damaged_since_newest(), testing::ElementsAre("step-00000002", "step-00000003"));
  put_bytes(run_ / "step-00000001" / "manifest.json", "{}");
  EXPECT_FALSE(run.newest());
  EXPECT_THAT(message_of<file_error>([&] { model_file_at(run_); }), HasSubstr("no valid checkpoint in it"));
}

TEST_F(RunFolder, KeepsEarlierCheckpointsWhereASaveFails) {
  run_folder run(run_);
  save(run, 1, NAN, "one");
  EXPECT_THROW(run.save(2, NAN, [](const fs::path&) { throw file_error("a full disk"); }), file_error);
  EXPECT_EQ(run.newest()->step, 1);
  EXPECT_FALSE(fs::exists(run_ / "unfinished-00000002"));
}

TEST_F(RunFolder, LeavesTheRunThatIsReplacedUntilItHasACheckpointInItsPlace) {
  {
    run_folder old(run_);
    for (const long step : {1, 2}) save(old, step, 0.5, "old");
  }
  run_folder run(run_);
  run.begin_anew({});
  EXPECT_ANY_THROW(run.save(1, 2.0, [](const fs::path&) { throw file_error("disk full"); }));
  EXPECT_EQ(bytes_of_file(model_file_at(run_)), "old");
  save(run, 1, 2.0, "new");
  EXPECT_EQ(bytes_of_file(model_file_at(run_)), "new") << "though the old one's validation loss was lower";
  EXPECT_EQ(valid_steps(run_).size(), 1u);
  save(run, 2, 1.0, "newer");
  EXPECT_EQ(valid_steps(run_).size(), 2u) << "its own are kept";
}

TEST_F(RunFolder, GivesTheReplacedRunBackWithItsRecordWhereTheNewOneNeverSaved) {
  for (const bool killed : {false, true}) {
    SCOPED_TRACE(killed);
    fs::remove_all(run_);
    {
      run_folder old(run_);
      for (const long step : {1, 2}) save(old, step, NAN, "old " + std::to_string(step));
      put_bytes(run_ / "record", "old");
      put_bytes(run_ / "letter", "somebody's");
    }
    {
      run_folder run(run_);
      run.begin_anew({"record", "picture"});
      EXPECT_FALSE(fs::exists(run_ / "step-00000002"));
      EXPECT_EQ(bytes_of_file(model_file_at(run_)), "old 2") << "whoever reads finds the old one meanwhile";
      put_bytes(run_ / "record", "new");
      if (killed) fs::copy(run_, folder_ / "killed", fs::copy_options::recursive);
    }
    if (killed) {
      fs::remove_all(run_);
      fs::rename(folder_ / "killed", run_);
    }
    const run_folder again(run_);
    EXPECT_EQ(again.newest()->step, 2);
    EXPECT_EQ(valid_steps(run_).size(), 2u);
    EXPECT_EQ(bytes_of_file(run_ / "record"), "old");
    EXPECT_EQ(bytes_of_file(run_ / "letter"), "somebody's");
    EXPECT_FALSE(fs::exists(run_ / "replaced"));
  }
}

TEST_F(RunFolder, FindsARunAgainWhoseWayAsideOrBackWasInterrupted) {
  {
    run_folder old(run_);
    for (const long step : {1, 2}) save(old, step, NAN, "old " + std::to_string(step));
  }
  for (const char* moved : {"step-00000001", "step-00000002"}) {
    fs::create_directory(run_ / "moving");
    fs::rename(run_ / moved, run_ / "moving" / moved);
    const run_folder again(run_);
    EXPECT_EQ(valid_steps(run_).size(), 2u) << moved;
    EXPECT_FALSE(fs::exists(run_ / "moving"));
  }
  fs::create_directory(run_ / "moving");
  const run_folder again(run_);
  EXPECT_FALSE(fs::exists(run_ / "moving")) << "interrupted before anything was moved, or after everything was";
}

TEST_F(RunFolder, ForgetsTheReplacedRunThatAKillLeftBesideTheNewOne) {
  { run_folder old(run_); save(old, 50, 0.5, "old"); }
  {
    run_folder run(run_);
    run.begin_anew({});
    fs::copy(run_ / "replaced", folder_ / "left", fs::copy_options::recursive);
    save(run, 10, 2.0, "new");
  }
  fs::rename(folder_ / "left", run_ / "replaced");
  EXPECT_EQ(bytes_of_file(model_file_at(run_)), "new");
  const run_folder again(run_);
  EXPECT_EQ(again.newest()->step, 10);
  EXPECT_FALSE(fs::exists(run_ / "replaced"));
}

TEST_F(RunFolder, RemovesWhatAnInterruptedSaveLeft) {
  { run_folder run(run_); save(run, 1, NAN, "one"); }
  fs::create_directory(run_ / "unfinished-00000002");
  const run_folder again(run_);
  EXPECT_FALSE(fs::exists(run_ / "unfinished-00000002"));
}

TEST_F(RunFolder, ReplacesTheCheckpointOfTheSameStep) {
  run_folder run(run_);
  save(run, 1, 2.0, "old");
  save(run, 1, 3.0, "new");
  EXPECT_EQ(bytes_of_file(model_file_at(run_)), "new");
  EXPECT_FALSE(fs::exists(run_ / "aside-00000001"));
}

TEST_F(RunFolder, FindsTheCheckpointAgainThatAnInterruptedSavePutAside) {
  for (const std::string left : {"nothing", "a damaged one", "a valid one"}) {
    SCOPED_TRACE(left);
    fs::remove_all(run_);
    { run_folder run(run_); save(run, 1, NAN, "old"); }
    fs::copy(run_ / "step-00000001", folder_ / "aside");
    if (left == "nothing") fs::remove_all(run_ / "step-00000001");
    if (left == "a damaged one") put_bytes(run_ / "step-00000001" / "model.safetensors", "ol");
    if (left == "a valid one") { run_folder run(run_); save(run, 1, NAN, "new"); }
    fs::rename(folder_ / "aside", run_ / "aside-00000001");
    EXPECT_EQ(bytes_of_file(model_file_at(run_)), left == "a valid one" ? "new" : "old") << "before anybody tidies";
    const run_folder again(run_);
    EXPECT_EQ(bytes_of_file(model_file_at(run_)), left == "a valid one" ? "new" : "old");
    EXPECT_FALSE(fs::exists(run_ / "aside-00000001"));
  }
}

TEST_F(RunFolder, IsOneRunsAlone) {
  const run_folder run(run_);
  EXPECT_THAT(message_of<file_error>([&] { run_folder second(run_); }), HasSubstr("no other run"));
}

TEST_F(RunFolder, LeavesNothingWhereNothingWasSaved) {
  { const run_folder run(run_); }
  EXPECT_FALSE(fs::exists(run_));
  fs::create_directory(run_);
  { const run_folder run(run_); }
  EXPECT_TRUE(fs::exists(run_)) << "a folder that was there stays";
  EXPECT_TRUE(fs::is_empty(run_));
}

TEST_F(RunFolder, LeavesWhatIsNotItsOwn) {
  { run_folder run(run_); save(run, 1, NAN, "one"); }
  put_bytes(run_ / "unfinished-novel.txt", "novel");
  put_bytes(run_ / "step-by-step.md", "steps");
  fs::create_directory(run_ / "step-5");
  run_folder again(run_);
  again.begin_anew({});
  save(again, 2, NAN, "two");
  for (const char* mine : {"unfinished-novel.txt", "step-by-step.md", "step-5"}) EXPECT_TRUE(fs::exists(run_ / mine)) << mine;
  EXPECT_FALSE(fs::exists(run_ / "step-00000001"));
  fs::create_directory(folder_ / "other");
  put_bytes(folder_ / "other" / "step-by-step.md", "steps");
  EXPECT_THAT(message_of<file_error>([&] { run_folder run(folder_ / "other"); }), HasSubstr("a folder of other files"));
}

TEST_F(RunFolder, RefusesFoldersOfOthers) {
  fs::create_directory(run_);
  put_bytes(run_ / "letter.txt", "dear you");
  EXPECT_THAT(message_of<file_error>([&] { run_folder run(run_); }), HasSubstr("a folder of other files"));
  EXPECT_TRUE(fs::exists(run_ / "letter.txt"));
  EXPECT_THROW(run_folder(folder_ / "no" / "such"), file_error);
  EXPECT_THROW(run_folder(run_ / "letter.txt"), file_error);
}

}  // namespace
}  // namespace qkv
