#include "qkv/nn/block.h"

namespace qkv::nn {

variable block::operator()(const variable& x, const forward_mode& mode, const sequences& own) const {
  const auto attend = [&](const variable& input, const variable& residual) { return attention(input, residual, own); };
  const variable seen = residual_step(x, norm1, place, dropout1, mode, attend);
  return residual_step(seen, norm2, place, dropout2, mode, update);
}

variable block::continued(const variable& x, key_value_cache& cache) const {
  const auto attend = [&](const variable& input, const variable& residual) {
    return attention.continued(input, cache, residual);
  };
  const variable seen = residual_step(x, norm1, place, dropout1, {}, attend);
  return residual_step(seen, norm2, place, dropout2, {}, update);
}

}  // namespace qkv::nn
