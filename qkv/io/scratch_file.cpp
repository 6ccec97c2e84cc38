#include "qkv/io/scratch_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "qkv/base/error.h"
#include "qkv/io/file_descriptor.h"

namespace qkv {

scratch_file::scratch_file(const std::filesystem::path& folder, std::uint64_t bytes) : bytes_(bytes) {
  const auto refuse = [&](int error) {
    refuse_file(folder, "room for " + std::to_string(bytes) + " bytes", std::generic_category().message(error));
  };
  if (bytes == 0) return;
  std::string name = (folder / "scratch-XXXXXX").string();
  file_descriptor file(mkostemp(name.data(), O_CLOEXEC));
  if (!file.is_open()) refuse(errno);
  unlink(name.c_str());
  // Room is asked for now: a disk that is full later would be a signal in the middle of the work.
  if (const int error = posix_fallocate(file.number(), 0, off_t(bytes)); error != 0) refuse(error);
  void* const found = mmap(nullptr, std::size_t(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file.number(), 0);
  if (found == MAP_FAILED) refuse(errno);
  memory_ = found;
}

scratch_file::scratch_file(scratch_file&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

scratch_file::~scratch_file() {
  if (memory_) munmap(memory_, std::size_t(bytes_));
}

}  // namespace qkv
