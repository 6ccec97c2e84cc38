#include "qkv/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "qkv/base/error.h"

namespace qkv {
namespace {

constexpr std::size_t largest_request = std::size_t(1) << 30;  // the system writes less than 2 GiB at a time

std::string system_message() { return std::generic_category().message(errno); }

/// Where the target really lies.  Renaming over a device or a directory would destroy it or fail late.
std::filesystem::path resolved(std::filesystem::path target) {
  if (target.empty()) throw file_error("expected the name of a file to write; found an empty one");
  std::error_code ignored;
  if (std::filesystem::is_symlink(target, ignored)) {
    std::error_code problem;
    auto real = std::filesystem::weakly_canonical(target, problem);
    if (!problem) target = std::move(real);
  }
  const auto status = std::filesystem::status(target, ignored);
  if (std::filesystem::is_directory(status)) refuse_file(target, "the name of a file to write", "a directory");
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    refuse_file(target, "the name of a file to write", "a pipe or a device");
  }
  return target;
}

std::filesystem::path temporary_beside(const std::filesystem::path& target) {
  static std::atomic<unsigned> number = 0;  // threads may write the same file at once
  std::filesystem::path name = target;
  name += ".temporary-" + std::to_string(getpid()) + "-" + std::to_string(number++);
  return name;
}

/// Makes a new name in a folder outlast a power cut.  Some file systems cannot; the file itself is safe by then.
void synchronize_folder_of(const std::filesystem::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const file_descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.is_open()) fsync(opened.number());
}

}  // namespace

atomic_file::atomic_file(std::filesystem::path target)
    : target_(resolved(std::move(target))),
      temporary_(temporary_beside(target_)),
      file_(open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
  if (!file_.is_open()) refuse_file(target_, "a folder that can be written to", system_message());
}

atomic_file::~atomic_file() {
  if (temporary_.empty()) return;
  file_.close();
  unlink(temporary_.c_str());
}

void atomic_file::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(file_.number(), bytes.data(), std::min(bytes.size(), largest_request));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      refuse_file(target_, "room to write " + std::to_string(bytes.size()) + " bytes more",
                  system_message() + " after " + std::to_string(written_) + " bytes; the old file is untouched");
    }
    written_ += std::size_t(done);
    bytes = bytes.subspan(std::size_t(done));
  }
}

void atomic_file::commit() {
  if (fsync(file_.number()) != 0 || !file_.close() || std::rename(temporary_.c_str(), target_.c_str()) != 0) {
    refuse_file(target_, "to finish writing " + std::to_string(written_) + " bytes",
                system_message() + "; the old file is untouched");
  }
  temporary_.clear();
  synchronize_folder_of(target_);
}

}  // namespace qkv
