#include "qkv/tokens/patches.h"

#include <algorithm>

namespace qkv {
namespace {

/// Pictures cut into square patches: where a row of a patch lies in the picture and among the patches.
struct grid {
  long batch, height, width, channels, side;

  long rows() const { return height / side; }
  long columns() const { return width / side; }
  long patch_size() const { return side * side * channels; }

  void check(const char* operation) const {
    if (side < 1 || height < 1 || width < 1 || height % side != 0 || width % side != 0)
      refuse(operation, "sides that " + std::to_string(side) + " divides",
             std::to_string(height) + " x " + std::to_string(width));
  }

  /// copy(place in the picture, place among the patches, how many) for every row of every patch.
  template <class Copy>
  void each_row(Copy copy) const {
    const long length = side * channels;
    long among_patches = 0;
    for (long b = 0; b < batch; ++b)
      for (long r = 0; r < rows(); ++r)
        for (long c = 0; c < columns(); ++c)
          for (long y = 0; y < side; ++y, among_patches += length)
            copy(((b * height + r * side + y) * width + c * side) * channels, among_patches, length);
  }
};

}  // namespace

tensor patches(const tensor& image, long side) {
  const long rank = image.rank();
  if (rank != 3 && rank != 4)
    refuse("patches", "a picture [H, W, C], or several [B, H, W, C]", to_string(image.shape()));
  const grid g{rank == 4 ? image.dim(0) : 1, image.dim(-3), image.dim(-2), image.dim(-1), side};
  g.check("patches");
  const tensor from = image.to_contiguous();
  shape s{g.rows() * g.columns(), g.patch_size()};
  if (rank == 4) s.insert(s.begin(), g.batch);
  tensor to = tensor::uninitialized(s);
  g.each_row([source = from.data<const float>(), target = to.data<float>()](long picture, long patch, long count) {
    std::copy_n(source + picture, count, target + patch);
  });
  return to;
}

tensor image_from_patches(const tensor& patches, long height, long width, long side) {
  const long rank = patches.rank();
  if (rank != 2 && rank != 3)
    refuse("image_from_patches", "patches [T, side side C] or [B, T, side side C]", to_string(patches.shape()));
  const grid g{rank == 3 ? patches.dim(0) : 1, height, width, side < 1 ? 0 : patches.dim(-1) / (side * side), side};
  g.check("image_from_patches");
  if (patches.dim(-2) != g.rows() * g.columns() || patches.dim(-1) != g.patch_size())
    refuse("image_from_patches",
           std::to_string(g.rows() * g.columns()) + " patches, each a multiple of " + std::to_string(side * side),
           to_string(patches.shape()));
  const tensor from = patches.to_contiguous();
  shape s{height, width, g.channels};
  if (rank == 3) s.insert(s.begin(), g.batch);
  tensor to = tensor::uninitialized(s);
  g.each_row([source = from.data<const float>(), target = to.data<float>()](long picture, long patch, long count) {
    std::copy_n(source + patch, count, target + picture);
  });
  return to;
}

tensor frame_patches(const tensor& frames, long length) {
  const long rank = frames.rank();
  if ((rank != 2 && rank != 3) || length < 1 || frames.dim(-2) < length)
    refuse("frame_patches", "at least " + std::to_string(length) + " frames [T, M] or [B, T, M], and a length above 0",
           to_string(frames.shape()));
  const long count = frames.dim(-2) / length;
  shape s = frames.shape();
  s[s.size() - 2] = count, s[s.size() - 1] *= length;
  return frames.slice(int(rank) - 2, 0, count * length).to_contiguous().reshape(s);
}

}  // namespace qkv
