// A canvas of pixels, written as a PNG file.
#pragma once
#include <filesystem>
#include <vector>

#include "apps/cli/canvas.h"

namespace qkv::cli {

class png_canvas : public canvas {
 public:
  /// `scale` pixels of the file for a pixel of the picture.  Throws shape_error for a picture of more than 2^28 pixels.
  png_canvas(double width, double height, int scale);

  void rectangle(double x, double y, double width, double height, colour fill) override;
  void text(double x, double y, std::string_view text, double size, colour fill, anchor at, bool bold) override;
  void text_upwards(double x, double y, std::string_view text, double size, colour fill) override;
  void begin_group(std::string_view) override {}
  void end_group() override {}

  /// Replaces the file in one step.  Throws file_error.
  void save(const std::filesystem::path& path) const;

 private:
  void fill(long left, long top, long right, long bottom, colour c);
  long width_, height_;
  int scale_;
  std::vector<unsigned char> pixels_;  // [height, width, 3]
};

}  // namespace qkv::cli
