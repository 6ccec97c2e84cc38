// Sounds from and to files: WAV, FLAC and what else libsndfile reads.
#pragma once
#include <filesystem>

#include "qkv/tensor/tensor.h"

namespace qkv {

/// One channel.
struct sound {
  tensor samples;  ///< [N] float32; -1 .. 1, more where a file of floats has it
  long rate = 0;   ///< samples a second

  double seconds() const { return double(samples.size()) / double(rate); }
};

/// Reads a sound; several channels are mixed to one (their mean).
/// @throws file_error "a.wav: expected a sound (WAV, FLAC); found ..." (missing, another format, cut short, damaged, no
///         samples, a sample that is not finite, more than 2^30 samples)
sound read_sound(const std::filesystem::path& path);

/// Writes 16 bits a sample, numbers outside -1 .. 1 cut off, as the file's name ends: .wav or .flac.
/// @throws file_error, shape_error
void write_sound(const std::filesystem::path& path, const sound& what);

}  // namespace qkv
