// Pictures from and to files: PNG and JPEG.
#pragma once
#include <filesystem>

#include "qkv/tensor/tensor.h"

namespace qkv {

enum class image_channels { as_in_file, grey, colour };

/// A picture [H, W, C] float32, 0 black .. 1; C is 1 for grey and 3 for red, green, blue, as the file encodes them
/// (sRGB).  What is transparent shows white.  Which format it is, the file's bytes say, not its name.
/// Colour to grey: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
/// @throws file_error "cat.png: expected a PNG or JPEG picture; found ..." (missing, another format, cut short,
/// damaged,
///         colours for printers, more than 2^26 pixels)
tensor read_image(const std::filesystem::path& path, image_channels channels = image_channels::as_in_file);

/// Writes [H, W, 1] or [H, W, 3], numbers outside 0 .. 1 cut off, as an 8-bit PNG.   @throws file_error, shape_error
void write_png(const std::filesystem::path& path, const tensor& image);

}  // namespace qkv
