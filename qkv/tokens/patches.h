// A picture as a sequence: square pieces of it, each written out as one vector, in reading order.
#pragma once
#include "qkv/tensor/tensor.h"

namespace qkv {

/// Source: Dosovitskiy et al. 2021 (ViT), section 3.1.
///
///   B pictures   H height   W width   C channels   T = (H / side) (W / side) patches
///
/// @param image  [H, W, C] or [B, H, W, C] float32   @param side  of a patch, in pixels
/// @returns [T, side side C] or [B, T, side side C]: rows of the patch one after the other, channels innermost
/// @throws shape_error "patches: expected sides that 7 divides; found 28 x 30"
tensor patches(const tensor& image, long side);

/// The picture back from its patches [.., T, side side C].
tensor image_from_patches(const tensor& patches, long height, long width, long side);

/// A sound's frames as patches in time: [T, M] or [B, T, M] to [T / length, length M], what is left over at the end
/// left out.   @throws shape_error where there are fewer than `length` frames
tensor frame_patches(const tensor& frames, long length);

}  // namespace qkv
