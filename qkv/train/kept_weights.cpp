#include "qkv/train/kept_weights.h"

namespace qkv {

void kept_weights::keep(long step, const std::vector<tensor>& live) {
  step_ = step;
  if (kept_.empty())
    for (const tensor& t : live) kept_.push_back(tensor::uninitialized(t.shape(), t.type()));
  for (std::size_t i = 0; i < live.size(); ++i) kept_[i].copy_from(live[i]);
}

void kept_weights::restore(const std::vector<tensor>& live) const {
  for (std::size_t i = 0; i < live.size(); ++i) live[i].copy_from(kept_[i]);
}

}  // namespace qkv
