#include "apps/cli/canvas.h"

#include <algorithm>
#include <cmath>

namespace qkv::cli {

colour between(colour from, colour to, double part) {
  const auto mix = [&](unsigned char a, unsigned char b) {
    return static_cast<unsigned char>(std::lround(a + (b - a) * std::clamp(part, 0.0, 1.0)));
  };
  return {mix(from.red, to.red), mix(from.green, to.green), mix(from.blue, to.blue)};
}

colour heat(double weight) {
  constexpr colour pale{240, 244, 251}, middle{74, 134, 214}, deep{12, 42, 105};
  const double strength = std::round(64 * std::sqrt(std::clamp(weight, 0.0, 1.0))) / 64;
  return strength < 0.6 ? between(pale, middle, strength / 0.6) : between(middle, deep, (strength - 0.6) / 0.4);
}

void canvas::squares(double x, double y, double step, double side, std::span<const square> all) {
  for (const square& one : all)
    rectangle(x + double(one.column) * step, y + double(one.row) * step, side, side, one.fill);
}

}  // namespace qkv::cli
