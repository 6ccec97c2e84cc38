// A sound changed a little, as pictures are in image_changes.h.  What is random is a pure function of (stream, index).
#pragma once
#include "qkv/base/random.h"
#include "qkv/io/sound_file.h"

namespace qkv {

/// Faster or slower, and higher or lower with it, by up to `most` (0.1: 0.9 to 1.1 times).
/// Source: Ko et al. 2015.
sound random_speed(const sound& what, double most, random_stream random, std::uint64_t index);

/// Up to `most` samples of silence before it.
sound random_delay(const sound& what, long most, random_stream random, std::uint64_t index);

/// A band of up to `bands` pitches and a piece of up to `length` frames of [T, M], each set to 0, which is the mean.
/// Source: Park et al. 2019 (SpecAugment).
tensor random_masks(const tensor& frames, long bands, long length, random_stream random, std::uint64_t index);

}  // namespace qkv
