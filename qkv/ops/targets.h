// The classes that came, checked.  Internal to this room.
#pragma once
#include <cstdint>

#include "qkv/ops/cross_entropy.h"

namespace qkv {

/// int32 targets, one a row, each in 0 .. classes-1 or ignored.
struct target_list {
  tensor owner;
  const std::int32_t* ids = nullptr;
  long rows = 0, count = 0;  ///< count: those not ignored
  long ignored = 0;
  float smoothing = 0;  ///< share of a target that is spread over all classes
  bool counts(long row) const { return ids[row] != ignored; }

  /// @throws shape_error when the shape is not x's leading axes, or an id lies outside
  target_list(const tensor& targets, const tensor& x, long classes, const cross_entropy_options& options);
};

}  // namespace qkv
