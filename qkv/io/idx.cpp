#include "qkv/io/idx.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

#include "qkv/io/gzip.h"
#include "qkv/io/input_file.h"

namespace qkv {
namespace {

constexpr int unsigned_bytes = 0x08;

std::string type_in_words(int type) {
  switch (type) {
    case 0x09:
      return "signed bytes";
    case 0x0B:
      return "16-bit numbers";
    case 0x0C:
      return "32-bit numbers";
    case 0x0D:
      return "float32";
    case 0x0E:
      return "float64";
    default:
      return "a type without a name, " + std::to_string(type);
  }
}

std::size_t largest_content(const input_file& file) {
  constexpr std::size_t best_ratio = 1032;  // deflate does not do better
  return std::size_t(file.size()) * best_ratio + 64;
}

}  // namespace

byte_array read_idx(const std::filesystem::path& path) {
  const input_file file(path, "an IDX file of unsigned bytes");
  std::string bytes = file.read_all();
  if (is_gzip(bytes)) bytes = gunzipped(bytes, file, largest_content(file));
  const auto byte_at = [&](std::size_t i) { return std::uint8_t(bytes[i]); };
  if (bytes.size() < 4 || byte_at(0) != 0 || byte_at(1) != 0) file.refuse("other bytes at its beginning");
  if (byte_at(2) != unsigned_bytes) file.refuse(type_in_words(byte_at(2)));
  const std::size_t axes = byte_at(3), header = 4 + 4 * axes;
  if (axes < 1 || axes > 4) file.refuse("an array of " + std::to_string(axes) + " axes");
  if (bytes.size() < header) file.refuse("the end of the file within the sizes");
  byte_array array;
  std::size_t count = 1;
  for (std::size_t axis = 0; axis < axes; ++axis) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | byte_at(4 + 4 * axis + i);
    array.shape.push_back(long(size));
    if (size != 0 && count > (std::size_t(1) << 60) / size) file.refuse("sizes whose product is not a number of bytes");
    count *= size;
  }
  if (bytes.size() - header != count)
    file.refuse(std::to_string(bytes.size() - header) + " bytes where the sizes " + to_string(array.shape) + " say " +
                std::to_string(count));
  array.values.assign(bytes.begin() + std::ptrdiff_t(header), bytes.end());
  return array;
}

tensor image_of(const byte_array& pictures, long index) {
  const qkv::shape& s = pictures.shape;
  if (s.size() != 3 && s.size() != 4) refuse("image_of", "pictures [N, H, W] or [N, H, W, C]", to_string(s));
  if (index < 0 || index >= s[0])
    refuse("image_of", "a number from 0 to " + std::to_string(s[0] - 1), std::to_string(index));
  const long count = s[1] * s[2] * (s.size() == 4 ? s[3] : 1);
  tensor image = tensor::uninitialized({s[1], s[2], s.size() == 4 ? s[3] : 1});
  std::transform(pictures.values.begin() + index * count, pictures.values.begin() + (index + 1) * count,
                 image.data<float>(), [](std::uint8_t byte) { return float(byte) / 255; });
  return image;
}

}  // namespace qkv
