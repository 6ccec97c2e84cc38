// Writing a file so that its name always holds either the old contents or the new, never half of them.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "qkv/io/file_descriptor.h"

namespace qkv {

/// Writes to a temporary file beside the target; commit() makes it durable and gives it the target's name.  Without
/// commit() the temporary is removed and the target stays as it was.
class atomic_file {
 public:
  /// A link is followed to the file it names.
  /// @throws file_error "out/model.safetensors: expected a folder that can be written to; found ..."
  explicit atomic_file(std::filesystem::path target);
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file();

  void write(std::span<const std::byte> bytes);  ///< throws file_error on a full disk or any other error
  void commit();                                 ///< the last call; throws file_error

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  std::size_t written_ = 0;
  file_descriptor file_;
};

}  // namespace qkv
