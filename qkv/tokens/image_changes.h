// A picture changed a little: mirrored, moved, scaled.  A model that is shown such changes while it learns knows that
// they do not matter.  What is random is a pure function of (stream, index).
#pragma once
#include "qkv/base/random.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

// Pictures are [H, W, C] float32.

/// Left for right.
tensor mirrored(const tensor& image);

/// Moved by whole pixels; what comes into view is 0.  Negative: up, to the left.
tensor shifted(const tensor& image, long down, long right);

/// The middle of a picture.   @throws shape_error where it is smaller
tensor centre_crop(const tensor& image, long height, long width);

/// Of another size: each pixel a weighted mean of those beneath it, weights falling to 0 at the next pixel's middle
/// (the triangle, or bilinear, filter; smaller pictures are not jagged).
/// Cost: H W' + H' W' sums, as long as the scale is wide.
tensor resized(const tensor& image, long height, long width);

/// Mirrored with probability 1/2: number `index` of the stream.
tensor random_flip(const tensor& image, random_stream random, std::uint64_t index);

/// Cut at a random place, to its own size, out of the picture with `margin` pixels of 0 around it.
/// Source: He et al. 2016, section 4.2.
tensor random_crop(const tensor& image, long margin, random_stream random, std::uint64_t index);

}  // namespace qkv
