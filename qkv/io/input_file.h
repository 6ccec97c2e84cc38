// A file opened for reading.  Everything that can go wrong is a file_error of one sentence.
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "qkv/io/file_descriptor.h"

namespace qkv {

class input_file {
 public:
  /// @param expected  what the file ought to be, for errors: "a safetensors file"
  /// @throws file_error "model.bin: expected a safetensors file; found no file of that name"
  input_file(std::filesystem::path path, std::string expected);

  /// Bytes in the file.  Throws file_error for a pipe or a device, which have no size.
  std::uint64_t size() const;

  /// Whether it is a file as such, neither a pipe nor a device.
  bool is_regular() const;

  /// Reads `count` bytes that start at `offset`; throws file_error when the file ends before.
  void read(void* to, std::uint64_t count, std::uint64_t offset) const;

  /// Everything up to the end; for pipes too.
  std::string read_all() const;

  const std::filesystem::path& path() const { return path_; }
  int number() const { return file_.number(); }  ///< the system's

  /// Throws file_error "path: expected ...; found ...", with what the file ought to be.
  [[noreturn]] void refuse(const std::string& found) const;

 private:
  struct stat status() const;

  std::filesystem::path path_;
  std::string expected_;
  file_descriptor file_;
};

}  // namespace qkv
