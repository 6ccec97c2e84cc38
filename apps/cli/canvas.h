// A surface to draw pictures on: rectangles and short texts.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace qkv::cli {

struct colour {
  unsigned char red = 0, green = 0, blue = 0;
  bool operator==(const colour&) const = default;
};

inline constexpr colour white{255, 255, 255}, ink{32, 33, 36}, faint_ink{95, 99, 104}, grid{222, 224, 228};

/// Part of the way from one colour to another, 0 to 1.
colour between(colour from, colour to, double part);

/// The colour of a weight in a heat map on white.  By square roots, so that small weights can be seen; in 64 steps,
/// finer than an eye can tell, so that many squares share a colour.
colour heat(double weight);

enum class anchor { start, middle, end };

/// One square of a grid, by its place there.
struct square {
  long column = 0, row = 0;
  colour fill;
};

/// Lengths are in pixels of a picture at its natural size; y grows downwards.
class canvas {
 public:
  virtual ~canvas() = default;
  virtual void rectangle(double x, double y, double width, double height, colour fill) = 0;
  /// Squares of `side` on a grid of that `step` whose corner is at x, y; tips of what lies under them stay in reach.
  virtual void squares(double x, double y, double step, double side, std::span<const square> all);
  /// Text in a monospaced face, `size` high, whose line is centred on y; upwards: turned by a quarter to the left, its
  /// line centred on x.
  virtual void text(double x, double y, std::string_view text, double size, colour fill, anchor at, bool bold) = 0;
  virtual void text_upwards(double x, double y, std::string_view text, double size, colour fill) = 0;
  /// A shape that shows a tip, where the format can: the rectangles and texts until the next call belong to it.
  virtual void begin_group(std::string_view tip) = 0;
  virtual void end_group() = 0;
};

}  // namespace qkv::cli
