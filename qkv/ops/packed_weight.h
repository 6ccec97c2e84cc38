// A weight in the order in which the product's kernel reads it, made once and used for many products.
#pragma once
#include "qkv/tensor/tensor.h"

namespace qkv {

/// A weight [O, I] packed for `linear`.  It belongs to the instruction set that was active when it was made; using it
/// under another one throws unsupported_error.  Copying it copies a handle.
class packed_weight {
 public:
  packed_weight() = default;

  /// @param weight  [O, I] float32, any strides.   Cost: one read of it, and memory of its size.
  explicit packed_weight(const tensor& weight);

  bool empty() const { return panels_.empty(); }
  long output_width() const { return output_width_; }
  long input_width() const { return input_width_; }
  /// The panels, for the active instruction set.
  const float* data() const;

 private:
  tensor panels_;
  long output_width_ = 0, input_width_ = 0;
  int panel_columns_ = 0;
};

}  // namespace qkv
