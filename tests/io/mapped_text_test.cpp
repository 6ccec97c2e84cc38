#include "qkv/io/mapped_text.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "qkv/base/error.h"
#include "qkv/io/text_file.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"

namespace qkv {
namespace {

TEST(MappedText, IsWhatReadTextReads) {
  const temporary_folder folder;
  for (const std::string& text : {std::string("short"), std::string("\xEF\xBB\xBF" "äöü 漢字"), std::string(70'001, 'x')}) {
    write_text(folder / "a.txt", text);
    EXPECT_EQ(mapped_text(folder / "a.txt").view(), read_text(folder / "a.txt"));
  }
}

TEST(MappedText, RefusesWhatReadTextRefuses) {
  const temporary_folder folder;
  write_text(folder / "none.txt", "");
  write_text(folder / "nul.txt", std::string("a\0b", 3));
  write_text(folder / "latin.txt", "caf\xE9");
  for (const char* name : {"none.txt", "nul.txt", "latin.txt", "missing.txt"}) {
    const auto path = folder / name;
    EXPECT_EQ(message_of<file_error>([&] { mapped_text text(path); }), message_of<file_error>([&] { read_text(path); }));
  }
}

TEST(MappedText, ReadsPipes) {
  const temporary_folder folder;
  const auto pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] {
    std::FILE* const to = std::fopen(pipe.c_str(), "w");
    std::fputs("through a pipe", to);
    std::fclose(to);
  });
  EXPECT_EQ(mapped_text(pipe).view(), "through a pipe");
  writer.join();
}

}  // namespace
}  // namespace qkv
