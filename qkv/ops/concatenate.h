// Joining tensors along an axis, and cutting them apart.
#pragma once
#include <span>
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {

/// The parts one after the other along `axis` (negative counts from the end).  Equal types, and equal sizes elsewhere.
/// @throws shape_error "concatenate: expected [2, any, 4]; found [3, 1, 4]"
tensor concatenate(std::span<const tensor> parts, int axis);

/// Views of x of the given sizes along `axis`; copies nothing.  The backward of concatenate is split, and of split,
/// concatenate.   @throws shape_error "split: expected sizes that sum to 12; found 11"
std::vector<tensor> split(const tensor& x, std::span<const long> sizes, int axis);

}  // namespace qkv
