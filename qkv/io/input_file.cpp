#include "qkv/io/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "qkv/base/error.h"

namespace qkv {
namespace {

constexpr std::size_t largest_request = std::size_t(1) << 30;  // the system reads less than 2 GiB at a time

std::string found_instead(int error) {
  switch (error) {
    case ENOENT: return "no file of that name";
    case EISDIR: return "a directory";
    default: return "that it cannot be read (" + std::generic_category().message(error) + ")";
  }
}

int open_for_reading(const std::filesystem::path& path) {
  int number = -1;
  do {
    number = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  } while (number < 0 && errno == EINTR);
  return number;
}

}  // namespace

input_file::input_file(std::filesystem::path path, std::string expected)
    : path_(std::move(path)), expected_(std::move(expected)), file_(open_for_reading(path_)) {
  if (!file_.is_open()) refuse(found_instead(errno));
  if (S_ISDIR(status().st_mode)) refuse(found_instead(EISDIR));
}

void input_file::refuse(const std::string& found) const { refuse_file(path_, expected_, found); }

struct stat input_file::status() const {
  struct stat status {};
  if (fstat(file_.number(), &status) != 0) refuse(found_instead(errno));
  return status;
}

bool input_file::is_regular() const { return S_ISREG(status().st_mode); }

std::uint64_t input_file::size() const {
  if (!is_regular()) refuse("a pipe or a device, whose size is not known");
  return std::uint64_t(status().st_size);
}

void input_file::read(void* to, std::uint64_t count, std::uint64_t offset) const {
  auto* target = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t done = pread(file_.number(), target, std::min(count, largest_request), off_t(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) refuse(found_instead(errno));
    if (done == 0) refuse("the end of the file after " + std::to_string(offset) + " bytes");
    target += done;
    offset += std::uint64_t(done);
    count -= std::uint64_t(done);
  }
}

std::string input_file::read_all() const {
  std::string text;
  constexpr std::size_t piece = 1 << 16;
  for (;;) {
    const std::size_t before = text.size();
    text.resize(before + std::max(piece, before));  // doubling, so that long files are not copied often
    ssize_t done = 0;
    do {
      done = ::read(file_.number(), text.data() + before, std::min(text.size() - before, largest_request));
    } while (done < 0 && errno == EINTR);
    if (done < 0) refuse(found_instead(errno));
    text.resize(before + std::size_t(done));
    if (done == 0) return text;
  }
}

}  // namespace qkv
