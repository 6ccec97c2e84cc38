#include "qkv/io/scratch_file.h"

#include <gtest/gtest.h>

#include "qkv/base/error.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"

namespace qkv {
namespace {

TEST(ScratchFile, IsZerosAtFirstAndKeepsWhatIsWritten) {
  const temporary_folder folder;
  const scratch_file file(folder.path(), 4000);
  const auto numbers = file.as<std::int32_t>();
  ASSERT_EQ(numbers.size(), 1000u);
  for (const std::int32_t n : numbers) ASSERT_EQ(n, 0);
  for (std::size_t i = 0; i < 1000; ++i) numbers[i] = std::int32_t(i);
  EXPECT_EQ(file.as<std::int32_t>()[999], 999);
}

TEST(ScratchFile, LeavesNoNameBehind) {
  const temporary_folder folder;
  const scratch_file file(folder.path(), 100);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ScratchFile, MayBeEmpty) {
  const temporary_folder folder;
  EXPECT_TRUE(scratch_file(folder.path(), 0).as<char>().empty());
}

TEST(ScratchFile, SaysWhereThereIsNoRoom) {
  const std::string said = message_of<file_error>([] { scratch_file("/no/such/folder", 100); });
  EXPECT_NE(said.find("expected room for 100 bytes"), std::string::npos) << said;
  const temporary_folder folder;
  EXPECT_THROW(scratch_file(folder.path(), std::uint64_t(1) << 60), file_error);
}

}  // namespace
}  // namespace qkv
