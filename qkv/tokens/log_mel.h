// Sound as a sequence: how loud each band of pitch is, frame by frame, roughly as the ear hears it.
#pragma once
#include <vector>

#include "qkv/io/sound_file.h"

namespace qkv {

/// How pitch is counted in mels: Slaney's (linear up to 1 kHz, logarithmic above; librosa's default) or O'Shaughnessy's
/// 2595 log10(1 + f / 700) (HTK).
enum class mel_scale { slaney, htk };

/// The defaults are Whisper's (Radford et al. 2022, section 2.2, and its program).
struct log_mel_options {
  long rate = 16000;               ///< samples a second that the sound must have
  long window = 400;               ///< samples of a frame: a Hann window, periodic
  long hop = 160;                  ///< samples from frame to frame
  long bands = 80;                 ///< M
  double lowest = 0, highest = 0;  ///< in Hz; 0 as highest: half the rate
  mel_scale scale = mel_scale::slaney;
  double floor = 1e-10;       ///< the least power, before the logarithm
  double decades = 8;         ///< of power kept below the loudest of the sound; 0: all
  bool whisper_range = true;  ///< (x + 4) / 4 in the end

  bool operator==(const log_mel_options&) const = default;
};

/// @throws shape_error that says which number makes no sense
void check(const log_mel_options&);

/// log10 of the power in each band, in frames centred on multiples of the hop; the sound is mirrored at its ends.
///
///   N samples   T = N / hop frames   M bands
///
/// @returns [T, M] float32, computed in double precision
/// @throws shape_error "log_mel: expected a sound of 16000 samples a second, as resampled() makes it; found 8000", and
///         where it has window / 2 samples or fewer, or less than a hop
/// Cost: T transforms of a window; about 10 us a frame.
tensor log_mel(const sound& what, const log_mel_options& options = {});

/// Triangles over the bins of the transform, each of area 1 (Slaney's normalisation).  @returns [M, window / 2 + 1]
/// float64
tensor mel_filters(const log_mel_options& options = {});

/// Exactly `count` samples: cut off at the end, or followed by silence, as Whisper does with 480,000.
sound fitted(const sound& what, long count);

}  // namespace qkv
