#include "qkv/nn/block.h"

namespace qkv::nn {

variable block::operator()(const variable& x, const forward_mode& mode, const sequences& own) const {
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
