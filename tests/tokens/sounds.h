// Sounds that tests make themselves.
#pragma once
#include <cmath>
#include <numbers>

#include "qkv/io/sound_file.h"

namespace qkv {

/// A tone that rises from one frequency to another, in Hz.
inline sound sweep(long count, long rate, double from, double to) {
  tensor samples({count});
  double turns = 0;
  for (long n = 0; n < count; ++n) {
    samples.at<float>(n) = float(0.5 * std::sin(2 * std::numbers::pi * turns));
    turns += (from + (to - from) * double(n) / double(count)) / double(rate);
  }
  return {samples, rate};
}

}  // namespace qkv
