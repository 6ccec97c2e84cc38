#include "qkv/nn/block.h"

#include "qkv/autograd/recompute.h"

namespace qkv::nn {

variable block::operator()(const variable& x, const forward_mode& mode, const sequences& own) const {
  if (recomputing_blocks::wanted()) {
    const auto part = [self = *this, mode, own](std::span<const variable> inputs) {
      const recomputing_blocks not_again(false);
      return self(inputs[0], mode, own);
    };
    return recomputed("block", {&x, 1}, part);
  }
  const auto mix = [&](const variable& input, const variable& residual) { return mixer(input, residual, own); };
  const variable seen = residual_step(x, norm1, place, dropout1, mode, mix);
  return residual_step(seen, norm2, place, dropout2, mode, update);
}

variable block::continued(const variable& x, mixer_state& state) const {
  const auto mix = [&](const variable& input, const variable& residual) {
    return mixer.continued(input, state, residual);
  };
  const variable seen = residual_step(x, norm1, place, dropout1, {}, mix);
  return residual_step(seen, norm2, place, dropout2, {}, update);
}

attention_inputs block::links(const variable& x) const {
  if (!mixer.attention()) refuse("links", "a layer whose mixer is attention", name_of(mixer.kind()));
  return mixer.attention()->inputs(place == norm_place::before ? norm1(x) : x);
}

}  // namespace qkv::nn
