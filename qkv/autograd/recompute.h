// Gradient checkpointing: of a part of a model only its inputs are kept for the way back, and the part is run again
// when its derivative is needed.  Source: Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost, arXiv:1604.06174.
#pragma once
#include <functional>
#include <span>

#include "qkv/autograd/variable.h"

namespace qkv {

/// A part of a model: the same inputs give the same bits whenever it runs (dropout by the numbers of its stream does).
using repeatable_part = std::function<variable(std::span<const variable> inputs)>;

/// part(inputs), of which the tape keeps the inputs alone.  Parameters that the part reads besides get their gradients
/// as they would otherwise; so do the inputs, with the same bits.
/// Cost: the part's forward pass a second time, during backward().
variable recomputed(const char* operation, std::span<const variable> inputs, repeatable_part part);

/// While one lives, the blocks of models run so.
class recomputing_blocks {
 public:
  explicit recomputing_blocks(bool wanted = true);
  ~recomputing_blocks();
  recomputing_blocks(const recomputing_blocks&) = delete;
  recomputing_blocks& operator=(const recomputing_blocks&) = delete;

  static bool wanted();

 private:
  bool before_;
};

}  // namespace qkv
