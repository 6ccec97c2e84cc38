#include "qkv/io/text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "qkv/base/error.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"

namespace qkv {
namespace {

using testing::EndsWith;
using testing::StartsWith;

std::string complaint_about(const std::filesystem::path& path) {
  return message_of<file_error>([&] { read_text(path); });
}

TEST(TextFile, ReadsWhatWasWritten) {
  const temporary_folder folder;
  for (const std::string& text : {std::string("short"), std::string("äöü 漢字 🙂\n"), std::string(1'000'000, 'x')}) {
    write_text(folder / "a.txt", text);
    EXPECT_EQ(read_text(folder / "a.txt"), text);
  }
}

TEST(TextFile, DropsAByteOrderMark) {
  const temporary_folder folder;
  put_bytes(folder / "a", "\xEF\xBB\xBFtext");
  EXPECT_EQ(read_text(folder / "a"), "text");
}

TEST(TextFile, ReadsFromAPipe) {
  const temporary_folder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::thread writer([&] { put_bytes(folder / "pipe", std::string(200'000, 'y')); });
  EXPECT_EQ(read_text(folder / "pipe"), std::string(200'000, 'y'));
  writer.join();
}

TEST(TextFile, SaysWhatIsWrongInOneSentence) {
  const temporary_folder folder;
  const std::string start = (folder / "a").string() + ": expected a text in UTF-8; found ";
  EXPECT_EQ(complaint_about(folder / "a"), start + "no file of that name");
  put_bytes(folder / "a", "");
  EXPECT_EQ(complaint_about(folder / "a"), start + "an empty file");
  put_bytes(folder / "a", std::string("ab\0cd", 5));
  EXPECT_EQ(complaint_about(folder / "a"),
            start + "a NUL byte at byte 2, as binary files and UTF-16 have; save it as UTF-8");
  put_bytes(folder / "a", std::string("\xFF\xFEh\0", 4));
  EXPECT_EQ(complaint_about(folder / "a"), start + "one in UTF-16; save it as UTF-8");
  put_bytes(folder / "a", "caf\xE9 au lait");
  EXPECT_EQ(complaint_about(folder / "a"), start + "bytes that are not UTF-8 at byte 3; save it as UTF-8");
  put_bytes(folder / "a", "\xEF\xBB\xBF");
  EXPECT_EQ(complaint_about(folder / "a"), start + "nothing but a byte order mark");
  EXPECT_THAT(complaint_about(folder.path()), EndsWith("found a directory"));
  EXPECT_THAT(complaint_about(folder / "a/b"), EndsWith("found that it cannot be read (Not a directory)"));
}

}  // namespace
}  // namespace qkv
