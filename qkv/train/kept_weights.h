// The latest weights that are known to be good, to go back to: with everything else that a step changes, in memory.
#pragma once
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {

class kept_weights {
 public:
  /// @param live  what is kept and restored: tensors that share the storage of weights and moments
  void keep(long step, const std::vector<tensor>& live);
  /// Back to how they were.
  void restore(const std::vector<tensor>& live) const;

  bool any() const { return step_ >= 0; }
  long step() const { return step_; }  ///< steps done by then

 private:
  long step_ = -1;
  std::vector<tensor> kept_;
};

}  // namespace qkv
