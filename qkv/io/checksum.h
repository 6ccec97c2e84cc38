// Whether a file still holds what was written.
#pragma once
#include <cstdint>
#include <filesystem>

namespace qkv {

struct file_checksum {
  std::uintmax_t size = 0;
  std::uint32_t crc32 = 0;  ///< ISO 3309, as in zip and PNG
  bool operator==(const file_checksum&) const = default;
};

/// @throws file_error for a file that cannot be read
file_checksum checksum_of(const std::filesystem::path& path);

}  // namespace qkv
