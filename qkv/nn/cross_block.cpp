#include "qkv/nn/cross_block.h"

#include <array>

#include "qkv/autograd/recompute.h"
#include "qkv/autograd/views.h"

namespace qkv::nn {

variable cross_block::operator()(const variable& x, const variable& memory, const forward_mode& mode,
                                 const sequences& own, const sequences& links) const {
  if (recomputing_blocks::wanted()) {
    const auto part = [self = *this, mode, own, links](std::span<const variable> inputs) {
      const recomputing_blocks not_again(false);
      return self(inputs[0], inputs[1], mode, own, links);
    };
    return recomputed("cross block", std::array{x, memory}, part);
  }
  const auto among = [&](const variable& input, const variable& residual) { return attention(input, residual, own); };
  const auto across = [&](const variable& input, const variable& residual) {
    return cross.over(input, memory, residual, links);
  };
  const variable seen = residual_step(x, norm1, place, dropout1, mode, among);
  const variable linked = residual_step(seen, norm2, place, dropout2, mode, across);
  return residual_step(linked, norm3, place, dropout3, mode, update);
}

variable cross_block::continued(const variable& x, const memory_links& memory, key_value_cache& cache,
                                const sequences& links) const {
  const auto among = [&](const variable& input, const variable& residual) {
    return attention.continued(input, cache, residual);
  };
  const auto in_one_row = [](const variable& v) { return reshape(v, {1, v.dim(0), v.dim(2)}); };
  const auto across = [&](const variable& input, const variable& residual) {
    return reshape(cross.over(in_one_row(input), memory, in_one_row(residual), links), input.shape());
  };
  const variable seen = residual_step(x, norm1, place, dropout1, {}, among);
  const variable linked = residual_step(seen, norm2, place, dropout2, {}, across);
  return residual_step(linked, norm3, place, dropout3, {}, update);
}

tensor cross_block::looks(const variable& x, const variable& memory) const {
  const no_gradient values_only;
  const variable seen = residual_step(x, norm1, place, dropout1, {}, attention);
  return cross.weights_over(place == norm_place::before ? norm2(seen) : seen, memory).select(0, 0);
}

}  // namespace qkv::nn
