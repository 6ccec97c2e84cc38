#include "qkv/io/labelled_files.h"

#include <gmock/gmock.h>

#include "qkv/base/error.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"

namespace qkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> sounds{".wav", ".flac"};

class LabelledFiles : public ::testing::Test {
 protected:
  void put(const std::string& name) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    put_bytes(folder_ / name, "");
  }
  std::string complaint() {
    return message_of<file_error>([&] { labelled_files_in(folder_.path(), sounds); });
  }
  temporary_folder folder_;
};

TEST_F(LabelledFiles, TakeTheirClassFromTheirNameAndHoldOutTakes0To4) {
  for (const char* digit : {"0", "10", "2"})
    for (int take = 0; take < 7; ++take) put(std::string(digit) + "_anna_" + std::to_string(take) + ".wav");
  put("readme.txt");
  const auto files = labelled_files_in(folder_.path(), sounds);
  EXPECT_THAT(files.classes, ElementsAre("0", "2", "10"));
  EXPECT_EQ(files.learn.size(), 6u);
  EXPECT_EQ(files.test.size(), 15u);
  for (const auto& file : files.learn) {
    const std::string name = file.path.stem().string();
    EXPECT_EQ(name.substr(0, name.find('_')), files.classes[std::size_t(file.target)]);
    EXPECT_GE(name.back(), '5');
  }
}

TEST_F(LabelledFiles, TakeTheirClassFromTheirFolder) {
  for (int i = 10; i < 30; ++i) {
    put("cat/deep/" + std::to_string(i) + ".FLAC");
    put("dog/" + std::to_string(i) + ".wav");
  }
  put("stray.wav");
  const auto files = labelled_files_in(folder_.path(), sounds);
  EXPECT_THAT(files.classes, ElementsAre("cat", "dog"));
  EXPECT_EQ(files.learn.size(), 36u);
  EXPECT_EQ(files.test.size(), 4u);
}

TEST_F(LabelledFiles, SayWhatIsWrong) {
  EXPECT_THAT(complaint(), HasSubstr("files of at least two classes (.wav, .flac)"));
  EXPECT_THAT(complaint(), HasSubstr("found 0 of them"));
  put("one_1.wav");
  EXPECT_THAT(complaint(), HasSubstr("found 1 of them"));
  put("nameless.wav");
  EXPECT_THAT(complaint(), HasSubstr("found nameless.wav, whose name does not say its class"));
  EXPECT_THAT(message_of<file_error>([&] { labelled_files_in(folder_ / "none", sounds); }),
              HasSubstr("found no folder of that name"));
  EXPECT_THAT(message_of<file_error>([&] { labelled_files_in(folder_ / "one_1.wav", sounds); }),
              HasSubstr("found a file"));
}

}  // namespace
}  // namespace qkv
