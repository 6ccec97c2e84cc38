#include "apps/cli/png_canvas.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <cmath>

#include "apps/cli/bitmap_font.h"
#include "qkv/base/error.h"
#include "qkv/io/atomic_file.h"
#include "qkv/io/utf8.h"

namespace qkv::cli {
namespace {

// A dot of the face, in pixels of the file: a line of text is `size` high, a glyph's body 7 dots of it.
long dot_of(double size, int scale) { return std::max(1L, std::lround(size * scale / 11)); }

long glyphs_in(std::string_view text) {
  long count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) next_code_point(text, at);
  return count;
}

// Calls ink(x, y) for every dot of the text, in dots from its upper left corner.
template <class Function>
void each_dot(std::string_view text, Function ink) {
  long glyph = 0;
  for (std::size_t at = 0; at < text.size(); ++glyph) {
    const char32_t c = next_code_point(text, at);
    for (int y = 0; y < glyph_height; ++y)
      for (int x = 0; x < glyph_width; ++x)
        if (glyph_pixel(c, x, y)) ink(glyph * (glyph_width + 1) + x, y);
  }
}

std::vector<std::byte> encoded(long width, long height, const unsigned char* pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = png_uint_32(width);
  image.height = png_uint_32(height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  std::vector<std::byte> file;
  bool fine = png_image_write_to_memory(&image, nullptr, &size, 0, pixels, 0, nullptr) != 0;
  if (fine) {
    file.resize(size);
    fine = png_image_write_to_memory(&image, file.data(), &size, 0, pixels, 0, nullptr) != 0;
  }
  if (!fine) throw std::runtime_error(fmt::format("png: expected a picture; found {}", image.message));
  file.resize(size);
  return file;
}

}  // namespace

png_canvas::png_canvas(double width, double height, int scale)
    : width_(std::lround(width * scale)), height_(std::lround(height * scale)), scale_(scale) {
  if (double(width_) * double(height_) > double(1 << 28))
    refuse("png", "a picture of at most 2^28 pixels",
           fmt::format("{} x {} (choose one --layer and --head)", width_, height_));
  pixels_.assign(std::size_t(width_ * height_ * 3), 255);
}

void png_canvas::fill(long left, long top, long right, long bottom, colour c) {
  left = std::max(left, 0L), top = std::max(top, 0L), right = std::min(right, width_),
  bottom = std::min(bottom, height_);
  for (long y = top; y < bottom; ++y)
    for (long x = left; x < right; ++x) {
      unsigned char* p = &pixels_[std::size_t(y * width_ + x) * 3];
      p[0] = c.red, p[1] = c.green, p[2] = c.blue;
    }
}

void png_canvas::rectangle(double x, double y, double width, double height, colour c) {
  fill(std::lround(x * scale_), std::lround(y * scale_), std::lround((x + width) * scale_),
       std::lround((y + height) * scale_), c);
}

void png_canvas::text(double x, double y, std::string_view text, double size, colour c, anchor at, bool bold) {
  const long dot = dot_of(size, scale_), length = (glyphs_in(text) * (glyph_width + 1) - 1) * dot;
  const long left = std::lround(x * scale_) - (at == anchor::start ? 0 : at == anchor::middle ? length / 2 : length);
  const long top = std::lround(y * scale_) - 7 * dot / 2;
  each_dot(text, [&](long i, long j) {
    fill(left + i * dot, top + j * dot, left + (i + 1) * dot + (bold ? dot / 2 : 0), top + (j + 1) * dot, c);
  });
}

void png_canvas::text_upwards(double x, double y, std::string_view text, double size, colour c) {
  const long dot = dot_of(size, scale_);
  const long left = std::lround(x * scale_) - 7 * dot / 2, bottom = std::lround(y * scale_);
  each_dot(text, [&](long i, long j) {
    fill(left + j * dot, bottom - (i + 1) * dot, left + (j + 1) * dot, bottom - i * dot, c);
  });
}

void png_canvas::save(const std::filesystem::path& path) const {
  const auto file = encoded(width_, height_, pixels_.data());
  atomic_file out(path);
  out.write(file);
  out.commit();
}

}  // namespace qkv::cli
