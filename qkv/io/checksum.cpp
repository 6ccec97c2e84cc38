#include "qkv/io/checksum.h"

#include <zlib.h>

#include <fstream>
#include <vector>

#include "qkv/base/error.h"

namespace qkv {

file_checksum checksum_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) refuse_file(path, "a file that can be read", "none");
  file_checksum sum;
  std::vector<char> piece(1 << 20);
  while (file.read(piece.data(), std::streamsize(piece.size())), file.gcount() > 0) {
    sum.crc32 = std::uint32_t(
        ::crc32(sum.crc32, reinterpret_cast<const Bytef*>(piece.data()), uInt(file.gcount())));
    sum.size += std::uintmax_t(file.gcount());
  }
  if (file.bad()) refuse_file(path, "a file that can be read", "an error after " + std::to_string(sum.size) + " bytes");
  return sum;
}

}  // namespace qkv
