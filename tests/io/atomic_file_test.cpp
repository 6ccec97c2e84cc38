#include "qkv/io/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <span>
#include <thread>
#include <vector>

#include "qkv/base/error.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"

namespace qkv {
namespace {

using testing::HasSubstr;

void write_whole(const std::filesystem::path& path, const std::string& text) {
  atomic_file file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

/// No file may grow beyond this many bytes; the nearest a test comes to a full disk without being the system's owner.
class file_size_limit {
 public:
  explicit file_size_limit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limited{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~file_size_limit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(AtomicFile, ReplacesTheTargetOnlyOnCommit) {
  const temporary_folder folder;
  put_bytes(folder / "a", "old");
  {
    atomic_file file(folder / "a");
    file.write(std::as_bytes(std::span("new", 3)));
    EXPECT_EQ(bytes_of_file(folder / "a"), "old");
    file.commit();
  }
  EXPECT_EQ(bytes_of_file(folder / "a"), "new");
  EXPECT_EQ(folder.files(), 1);
}

TEST(AtomicFile, LeavesNothingBehindWithoutCommit) {
  const temporary_folder folder;
  put_bytes(folder / "a", "old");
  { atomic_file(folder / "a").write(std::as_bytes(std::span("new", 3))); }
  EXPECT_EQ(bytes_of_file(folder / "a"), "old");
  EXPECT_EQ(folder.files(), 1);
}

TEST(AtomicFile, KeepsTheOldFileWhenTheDiskIsFull) {
  const temporary_folder folder;
  put_bytes(folder / "a", "old");
  std::string message;
  {
    const file_size_limit limit(1'000);
    message = message_of<file_error>([&] { write_whole(folder / "a", std::string(5'000, 'x')); });
  }
  EXPECT_THAT(message, HasSubstr("a: expected room to write 4000 bytes more; found File too large after 1000 bytes; "
                                 "the old file is untouched"));
  EXPECT_EQ(bytes_of_file(folder / "a"), "old");
  EXPECT_EQ(folder.files(), 1);
}

TEST(AtomicFile, NamesTheFolderThatIsMissing) {
  const temporary_folder folder;
  EXPECT_THAT(message_of<file_error>([&] { write_whole(folder / "missing/a", "x"); }),
              HasSubstr("missing/a: expected a folder that can be written to; found No such file or directory"));
}

TEST(AtomicFile, RefusesDirectoriesAndDevices) {
  const temporary_folder folder;
  EXPECT_THAT(message_of<file_error>([&] { write_whole(folder.path(), "x"); }), HasSubstr("found a directory"));
  EXPECT_THAT(message_of<file_error>([&] { write_whole("/dev/null", "x"); }), HasSubstr("found a pipe or a device"));
}

TEST(AtomicFile, FollowsALinkToTheFileItNames) {
  const temporary_folder folder;
  put_bytes(folder / "real", "old");
  std::filesystem::create_symlink("real", folder / "link");
  write_whole(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(bytes_of_file(folder / "real"), "new");
}

TEST(AtomicFile, HoldsOneWholeTextHoweverManyThreadsWriteIt) {
  const temporary_folder folder;
  std::vector<std::thread> writers;
  for (int i = 0; i < 3; ++i) {
    writers.emplace_back([&, i] {
      for (int round = 0; round < 10; ++round) write_whole(folder / "a", std::string(10'000, char('a' + i)));
    });
  }
  for (auto& writer : writers) writer.join();
  const std::string text = bytes_of_file(folder / "a");
  EXPECT_EQ(text, std::string(10'000, text[0]));
  EXPECT_EQ(folder.files(), 1);
}

}  // namespace
}  // namespace qkv
