// What a classifier looks at in a picture, or in the spectrogram of a sound: weights drawn over it.
#pragma once
#include <filesystem>

#include "apps/cli/heat_map.h"

namespace qkv::cli {

///   L layers   H heads   R rows and K columns of tokens
struct sensed {
  std::string what;  ///< "picture", "sound"
  tensor pixels;     ///< [height, width, 3] in 0 .. 1, R and K times as large as a token
  long rows = 0, columns = 0;
  tensor weights;  ///< [L, H, R * K]

  long layers() const { return weights.dim(0); }
  long heads() const { return weights.dim(1); }
  float weight(long layer, long head, long token) const { return weights.at<float>(layer, head, token); }
};

/// The mean over the chosen heads: [R * K].
std::vector<float> mean_weights(const sensed& s, const head_choice& choice);

/// In the terminal: what there is to see, and beside it (under it for a sound) how much each token is looked at.
std::string picture_of(const sensed& s, const head_choice& choice, look how, int columns);

/// Panels: as it is, the mean of the chosen heads, and each of them.   @throws file_error
void save_sensed_as_svg(const std::filesystem::path& path, const sensed& s, const head_choice& choice);
void save_sensed_as_png(const std::filesystem::path& path, const sensed& s, const head_choice& choice);

}  // namespace qkv::cli
