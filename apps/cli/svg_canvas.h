// A canvas that writes Scalable Vector Graphics (SVG 1.1).
#pragma once
#include "apps/cli/canvas.h"

namespace qkv::cli {

class svg_canvas : public canvas {
 public:
  svg_canvas(double width, double height, std::string_view title);

  void rectangle(double x, double y, double width, double height, colour fill) override;
  void squares(double x, double y, double step, double side, std::span<const square> all) override;
  void text(double x, double y, std::string_view text, double size, colour fill, anchor at, bool bold) override;
  void text_upwards(double x, double y, std::string_view text, double size, colour fill) override;
  void begin_group(std::string_view tip) override;
  void end_group() override;

  std::string document() const;  ///< the whole file

 private:
  std::string text_;
};

/// Text as XML and HTML want it: & < > " ' escaped, characters that XML forbids replaced by U+FFFD.
std::string escaped(std::string_view text);

}  // namespace qkv::cli
