#include "qkv/io/image_file.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "qkv/io/atomic_file.h"
#include "qkv/io/input_file.h"

namespace qkv {
namespace {

using bytes = std::vector<unsigned char>;

constexpr double most_pixels = double(1 << 26);

void check_size(const input_file& file, double height, double width) {
  if (height < 1 || width < 1) file.refuse("a picture without pixels");
  if (height * width > most_pixels)
    file.refuse(std::to_string(long(height)) + " x " + std::to_string(long(width)) + " pixels, more than 2^26");
}

struct decoded {
  long height = 0, width = 0, channels = 0;
  bytes pixels;
};

/// libpng's state, released in any case.
struct png_state : png_image {
  png_state() : png_image{} { version = PNG_IMAGE_VERSION; }
  ~png_state() { png_image_free(this); }
  png_state(const png_state&) = delete;
  png_state& operator=(const png_state&) = delete;
};

decoded decode_png(const input_file& file, const std::string& encoded) {
  png_state image;
  if (!png_image_begin_read_from_memory(&image, encoded.data(), encoded.size()))
    file.refuse(std::string("a damaged PNG (") + image.message + ")");
  check_size(file, image.height, image.width);
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  const bool colour = (image.format & PNG_FORMAT_FLAG_COLOR) != 0;
  image.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  decoded d{long(image.height), long(image.width), colour ? 3 : 1, bytes(PNG_IMAGE_SIZE(image))};
  const png_color white{255, 255, 255};
  if (!png_image_finish_read(&image, &white, d.pixels.data(), 0, nullptr))
    file.refuse(std::string("a damaged PNG (") + image.message + ")");
  return d;
}

decoded decode_jpeg(const input_file& file, const std::string& encoded) {
  const std::unique_ptr<void, int (*)(tjhandle)> state(tjInitDecompress(), &tjDestroy);
  if (!state) throw std::bad_alloc();
  const auto* data = reinterpret_cast<const unsigned char*>(encoded.data());
  const auto length = static_cast<unsigned long>(encoded.size());
  const auto damaged = [&] { file.refuse(std::string("a damaged JPEG (") + tjGetErrorStr2(state.get()) + ")"); };
  int width = 0, height = 0, sampling = 0, colours = 0;
  if (tjDecompressHeader3(state.get(), data, length, &width, &height, &sampling, &colours) != 0) damaged();
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) file.refuse("colours for printers (CMYK); save it as RGB");
  check_size(file, height, width);
  const bool grey = colours == TJCS_GRAY;
  decoded d{height, width, grey ? 1 : 3, bytes(std::size_t(height) * std::size_t(width) * (grey ? 1 : 3))};
  const int format = grey ? TJPF_GRAY : TJPF_RGB;
  // A warning, as of data that ends too early, is an error here.
  if (tjDecompress2(state.get(), data, length, d.pixels.data(), width, 0, height, format, TJFLAG_ACCURATEDCT) != 0)
    damaged();
  return d;
}

decoded decode(const input_file& file, const std::string& encoded) {
  if (encoded.empty()) file.refuse("an empty file");
  if (encoded.starts_with("\x89PNG\r\n\x1a\n")) return decode_png(file, encoded);
  if (encoded.starts_with("\xff\xd8\xff")) return decode_jpeg(file, encoded);
  file.refuse("another format");
}

tensor as_numbers(const decoded& d, long channels) {
  tensor image = tensor::uninitialized({d.height, d.width, channels});
  float* to = image.data<float>();
  const unsigned char* from = d.pixels.data();
  constexpr std::array<float, 3> luma{0.299f / 255, 0.587f / 255, 0.114f / 255};
  for (long pixel = 0; pixel < d.height * d.width; ++pixel, from += d.channels, to += channels) {
    if (channels < d.channels) {
      *to = luma[0] * float(from[0]) + luma[1] * float(from[1]) + luma[2] * float(from[2]);
      continue;
    }
    for (long c = 0; c < channels; ++c) to[c] = float(from[d.channels == 1 ? 0 : c]) / 255;
  }
  return image;
}

}  // namespace

tensor read_image(const std::filesystem::path& path, image_channels channels) {
  const input_file file(path, "a PNG or JPEG picture");
  const decoded d = decode(file, file.read_all());
  return as_numbers(d, channels == image_channels::as_in_file ? d.channels : channels == image_channels::grey ? 1 : 3);
}

void write_png(const std::filesystem::path& path, const tensor& image) {
  if (image.rank() != 3 || (image.dim(2) != 1 && image.dim(2) != 3) || image.size() == 0)
    refuse("write_png", "a picture [H, W, 1] or [H, W, 3]", to_string(image.shape()));
  const tensor numbers = image.to(dtype::float32).to_contiguous();
  bytes pixels;
  for (const float x : numbers.values<const float>())
    pixels.push_back(static_cast<unsigned char>(x > 0 ? std::lround(std::min(x, 1.0f) * 255) : 0));
  png_state state;
  state.height = png_uint_32(image.dim(0));
  state.width = png_uint_32(image.dim(1));
  state.format = image.dim(2) == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(state);
  std::vector<std::byte> encoded(size);
  if (!png_image_write_to_memory(&state, encoded.data(), &size, 0, pixels.data(), 0, nullptr))
    refuse("write_png", "a picture that PNG can hold", state.message);
  atomic_file file(path);
  file.write(std::span(encoded).first(size));
  file.commit();
}

}  // namespace qkv
