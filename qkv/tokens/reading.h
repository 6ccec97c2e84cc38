// How a model reads pictures and sounds: every picture and every sound in the same way, whatever its file was like.
// Part of a checkpoint, so that what is classified later is read as what was learned from.
#pragma once
#include <string>

#include "qkv/tokens/log_mel.h"

namespace qkv {

/// Scaled to this size, then cut into patches.
struct picture_reading {
  long height = 28, width = 28;
  long channels = 1;                   ///< 1: grey, 3: red, green, blue
  long side = 4;                       ///< of a patch
  double mean = 0.5, deviation = 0.5;  ///< numbers become (x - mean) / deviation

  long tokens() const { return (height / side) * (width / side); }
  long patch_width() const { return side * side * channels; }
  bool operator==(const picture_reading&) const = default;
};

/// @param image  [H, W, C] of any size; where its sides are in another proportion, the middle of it is taken
/// @returns [tokens(), patch_width()]
tensor patches_read(const tensor& image, const picture_reading& how);
/// The step before: [height, width, channels], 0 .. 1.
tensor fitted(const tensor& image, const picture_reading& how);

/// Resampled, then log-mel frames brought to mean 0 and deviation 1 (how loud it is does not matter), a few at a time.
struct sound_reading {
  log_mel_options mel{.rate = 8000, .window = 256, .hop = 80, .bands = 40};
  double seconds = 1;  ///< the longest that is heard; what comes after is left out
  long frames = 4;     ///< of a token

  long tokens() const { return long(seconds * double(mel.rate)) / mel.hop / frames; }
  long frame_width() const { return frames * mel.bands; }
  bool operator==(const sound_reading&) const = default;
};

/// @returns [up to tokens(), frame_width()]; a sound shorter than a token is followed by silence
tensor frames_read(const sound& what, const sound_reading& how);
/// The step before frames are joined: [T, M].
tensor even_frames(const sound& what, const sound_reading& how);

/// @throws shape_error that says which number makes no sense
void check(const picture_reading&);
void check(const sound_reading&);

/// One line of JSON, and back.  A key that is missing keeps its default; an unknown key is an error.
/// @throws file_error
std::string to_json(const picture_reading&);
std::string to_json(const sound_reading&);
picture_reading picture_reading_from_json(const std::string& text);
sound_reading sound_reading_from_json(const std::string& text);

}  // namespace qkv
