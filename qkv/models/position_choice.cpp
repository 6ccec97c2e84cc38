#include "qkv/models/position_choice.h"

#include <cmath>
#include <string>

#include "qkv/base/error.h"

namespace qkv {

void check(const position_choice& c, sides seen, const char* what) {
  const auto need = [&](bool holds, const std::string& expected, const std::string& found) {
    if (!holds) refuse(what, expected, found);
  };
  need(c.base >= 0, "a position base of at least 0", std::to_string(c.base));
  need(!c.fixed() || c.width % 2 == 0, "an even width, for pairs of sine and cosine", std::to_string(c.width));
  need(c.range >= 0 && c.range < 1L << 16, "a position range from 0 to 65535", std::to_string(c.range));
  if (c.kind != nn::position_kind::relative) return;
  const long buckets = c.range_or_usual();
  if (seen == sides::both)
    need(buckets >= 4 && buckets <= 256 && buckets % 2 == 0, "relative positions of 4 to 256 buckets, as many for each side",
         std::to_string(buckets));
  else
    need(buckets >= 2 && buckets <= 128, "relative positions of 2 to 128 buckets", std::to_string(buckets));
}

variable position_vectors(const position_choice& c, nn::initialisation& init) {
  switch (c.kind) {
    case nn::position_kind::learned:
      return variable(init.normal({c.context, c.width}, 0.02), needs_gradient);
    case nn::position_kind::sinusoidal:
      return variable(nn::sinusoidal_positions(c.context, c.width, c.base_or_usual()));
    case nn::position_kind::fourier:
      return variable(nn::fourier_positions(c.context, c.width, c.base_or_usual()));
    default:
      return {};
  }
}

tensor near_places(const position_choice& c, sides seen, nn::initialisation& init) {
  const long range = c.range_or_usual();
  const bool both = seen == sides::both;
  const tensor table = init.normal({c.heads, both ? 2 * range - 1 : range}, init.deviation);
  for (long head = 0; head < c.heads / 2 && range > 1; ++head) {
    // Both sides in turn: one before, one after, two before, ...
    const long distance = 1 + (both ? head / 2 : head) % (range - 1);
    const long place = !both ? distance : range - 1 + (head % 2 == 0 ? -distance : distance);
    table.at<float>(head, place) += float(std::log(double(c.context)));
  }
  return table;
}

}  // namespace qkv
