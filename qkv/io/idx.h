// IDX, the format of MNIST and its followers (LeCun, Cortes & Burges): an array of unsigned bytes with its sizes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {

/// Kept as bytes: 60,000 pictures take 47 MB, a quarter of what they would as float32.
struct byte_array {
  qkv::shape shape;
  std::vector<std::uint8_t> values;  ///< row-major
};

/// Reads an IDX file of unsigned bytes, compressed (.gz) or not.
/// @throws file_error "train-images: expected an IDX file of unsigned bytes; found ..."
/// Cost: the file's bytes once; for a compressed one its contents as well.
byte_array read_idx(const std::filesystem::path& path);

/// Picture number `index` of pictures [N, H, W] or [N, H, W, C]: [H, W, C] float32, 0 .. 1.
/// @throws shape_error
tensor image_of(const byte_array& pictures, long index);

}  // namespace qkv
