#include "qkv/tokens/sound_changes.h"

#include <algorithm>
#include <cmath>

#include "qkv/tokens/resample.h"

namespace qkv {

sound random_speed(const sound& what, double most, random_stream random, std::uint64_t index) {
  if (!(most >= 0 && most < 1)) refuse("random_speed", "a share from 0 to 1, without 1", std::to_string(most));
  const double speed = 1 + most * (2 * random.uniform(index) - 1);
  // Resampled to another rate, and then played at the old one.
  const long rate = std::max(1L, std::lround(double(what.rate) / speed));
  return {resampled(what, rate).samples, what.rate};
}

sound random_delay(const sound& what, long most, random_stream random, std::uint64_t index) {
  if (most < 0) refuse("random_delay", "at least 0 samples", std::to_string(most));
  const long delay = long(random.below(index, std::uint64_t(most) + 1)), count = what.samples.size();
  tensor samples({delay + count});
  samples.slice(0, delay, delay + count).copy_from(what.samples);
  return {std::move(samples), what.rate};
}

tensor random_masks(const tensor& frames, long bands, long length, random_stream random, std::uint64_t index) {
  if (frames.rank() != 2 || bands < 0 || length < 0)
    refuse("random_masks", "frames [T, M], and masks of at least 0", to_string(frames.shape()));
  const tensor masked = frames.clone();
  std::uint64_t draw = 4 * index;
  for (const int axis : {0, 1}) {
    const long size = frames.dim(axis), most = std::min(axis == 0 ? length : bands, size);
    const long wide = long(random.below(draw++, std::uint64_t(most) + 1));
    const long from = long(random.below(draw++, std::uint64_t(size - wide) + 1));
    masked.slice(axis, from, from + wide).fill(0);
  }
  return masked;
}

}  // namespace qkv
