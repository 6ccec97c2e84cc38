// qkv train --resume: what a classifier learns from is what its run began with, file by file and class by class.
#include "qkv/io/image_file.h"
#include "qkv/io/sound_file.h"
#include "tests/cli/program.h"
#include "tests/tokens/sounds.h"

namespace qkv {
namespace {

namespace fs = std::filesystem;

constexpr const char* remedy = "; give it as it was, or begin anew with --replace";

class DataRecord : public testing::Test {
 protected:
  DataRecord() {
    for (const std::string which : {"left", "right"}) {
      fs::create_directories(pictures() / which);
      for (long i = 0; i < 20; ++i) write_png(pictures() / which / (std::to_string(i) + ".png"), shade(which, i));
    }
  }
  fs::path pictures() const { return folder_ / "pictures"; }
  fs::path run() const { return folder_ / "run"; }
  static tensor shade(const std::string& which, long i) {
    return tensor::full({8, 8, 1}, (which == "left" ? 0.1 : 0.6) + 0.01 * double(i));
  }
  static std::vector<std::string> learning(std::vector<std::string> data, const fs::path& out, bool resume) {
    data.insert(data.begin(), {"train", "--layers", "1", "--width", "16", "--batch", "16", "--out", out});
    data.insert(data.end(), {"-q", "--steps", resume ? "4" : "2"});
    if (resume) data.push_back("--resume");
    return data;
  }
  void begin(const std::vector<std::string>& data) const {
    const finished done = qkv_program(learning(data, run(), false));
    ASSERT_EQ(done.code, 0) << done.err;
  }
  void expect_refused(const std::vector<std::string>& data, const std::string& found) const {
    expect_refusal(learning(data, run(), true), "--resume: expected " + found);
  }
  void expect_taken(const std::vector<std::string>& data) const {
    const finished done = qkv_program(learning(data, run(), true));
    EXPECT_EQ(done.code, 0) << done.err;
  }

  temporary_folder folder_;
};

TEST_F(DataRecord, NamesThePicturesThatHaveChanged) {
  const std::vector<std::string> data{"--images", pictures()};
  const std::string expected = "in --images what the run began with; found ";
  begin(data);
  write_png(pictures() / "left" / "3.png", shade("right", 3));
  expect_refused(data, expected + "1 changed (left/3.png)" + remedy);
  write_png(pictures() / "left" / "3.png", shade("left", 3));
  write_png(pictures() / "left" / "new.png", shade("left", 1));
  expect_refused(data, expected + "1 new (left/new.png)" + remedy);
  fs::remove(pictures() / "left" / "new.png");
  fs::rename(pictures() / "right" / "7.png", pictures() / "right" / "77.png");
  expect_refused(data, expected + "1 new (right/77.png), 1 missing (right/7.png)" + remedy);
  fs::rename(pictures() / "right" / "77.png", pictures() / "right" / "7.png");
  fs::rename(pictures() / "right", pictures() / "top");
  expect_refused(data, expected + "20 new (top/0.png, top/1.png, top/10.png, ...), "
                                  "20 missing (right/0.png, right/1.png, right/10.png, ...)" + remedy);
  fs::rename(pictures() / "top", pictures() / "right");
  put_bytes(pictures() / "left" / "notes.txt", "no picture");
  fs::rename(pictures(), folder_ / "elsewhere");
  expect_taken({"--images", (folder_ / "elsewhere").string() + "/"});
}

TEST_F(DataRecord, NamesIdxFilesThatHaveChanged) {
  const auto idx = folder_ / "idx";
  fs::create_directories(idx);
  std::string images("\0\0\x08\x03\0\0\0\x64\0\0\0\x04\0\0\0\x04", 16), labels("\0\0\x08\x01\0\0\0\x64", 8);
  for (int i = 0; i < 100; ++i) images += std::string(16, char(i)), labels += char(i % 2);
  put_bytes(idx / "images-idx3-ubyte", images);
  put_bytes(idx / "labels-idx1-ubyte", labels);
  const std::vector<std::string> data{"--images", idx};
  begin(data);
  labels.back() = char(0);
  put_bytes(idx / "labels-idx1-ubyte", labels);
  expect_refused(data, "in --images what the run began with; found 1 changed (labels-idx1-ubyte)");
  labels.back() = char(1);
  put_bytes(idx / "labels-idx1-ubyte", labels);
  expect_taken(data);
}

TEST_F(DataRecord, NamesSoundsThatHaveChanged) {
  const auto sounds = folder_ / "sounds";
  fs::create_directories(sounds);
  for (int i = 0; i < 20; ++i) {
    write_sound(sounds / ("up_" + std::to_string(i) + ".wav"), sweep(2400, 8000, 300 + 10 * i, 2000));
    write_sound(sounds / ("down_" + std::to_string(i) + ".wav"), sweep(2400, 8000, 2000, 300 + 10 * i));
  }
  const std::vector<std::string> data{"--sounds", sounds};
  begin(data);
  fs::remove(sounds / "up_8.wav");
  expect_refused(data, "in --sounds what the run began with; found 1 missing (up_8.wav)");
}

TEST_F(DataRecord, NamesTextsWithClassesThatHaveChanged) {
  const auto file = folder_ / "texts.tsv";
  std::string texts;
  for (int i = 0; i < 20; ++i) texts += "pets\tthe dog and the cat\ngames\tthe team won\n";
  put_bytes(file, texts);
  begin({"--labelled", file});
  put_bytes(file, texts + "pets\tone more\n");
  expect_refused({"--labelled", file}, "in --labelled what the run began with; found another file");
  put_bytes(file, texts);
  expect_taken({"--labelled", file});
}

TEST_F(DataRecord, KnowsWhichPicturesWereValidatedOn) {
  const auto held = folder_ / "held";
  fs::copy(pictures(), held, fs::copy_options::recursive);
  begin({"--images", pictures(), "--validation-images", held});
  expect_refused({"--images", pictures()}, "--validation-images, with which the run began; found none");
  fs::remove(held / "left" / "0.png");
  expect_refused({"--images", pictures(), "--validation-images", held},
                 "in --validation-images what the run began with; found 1 missing (left/0.png)");
  fs::copy(pictures() / "left" / "0.png", held / "left" / "0.png");
  expect_taken({"--images", pictures(), "--validation-images", held});
  fs::remove_all(run());
  begin({"--images", pictures()});
  expect_refused({"--images", pictures(), "--validation-images", held},
                 "no --validation-images, as the run began; found one");
}

/// A run of before there was such a record has its classes in its model.
TEST_F(DataRecord, NamesClassesThatHaveChangedWhereNoFileWasRecorded) {
  const std::vector<std::string> data{"--images", pictures()};
  begin(data);
  auto options = nlohmann::json::parse(bytes_of_file(run() / "options.json"));
  options.erase("files");
  put_bytes(run() / "options.json", options.dump());
  fs::rename(pictures() / "right", pictures() / "top");
  expect_refused(data, "the classes that the run began with; found 1 new (top), 1 missing (right); name them as they "
                       "were, or begin anew with --replace");
  fs::rename(pictures() / "left", pictures() / "bottom");
  expect_refused(data, "the classes that the run began with; found 2 new (bottom, top), 2 missing (left, right)");
  fs::rename(pictures() / "bottom", pictures() / "left");
  fs::rename(pictures() / "top", pictures() / "right");
  expect_taken(data);
}

TEST_F(DataRecord, TakesFilesWhoseNamesAreNotUtf8) {
  write_png(pictures() / "left" / "\xff.png", shade("left", 2));
  begin({"--images", pictures()});
  fs::remove(pictures() / "left" / "\xff.png");
  expect_refused({"--images", pictures()}, "in --images what the run began with; found 1 missing (left/\\xff.png)");
}

}  // namespace
}  // namespace qkv
