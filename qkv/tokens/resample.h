// A sound at another sample rate.
#pragma once
#include "qkv/io/sound_file.h"

namespace qkv {

/// Band-limited: what the new rate cannot hold is filtered out (libsoxr, its high quality).  The sound itself where the
/// rate is the same already.
/// @returns round(N rate / what.rate) samples   @throws shape_error for a rate below 1 or above 2^24
sound resampled(const sound& what, long rate);

}  // namespace qkv
