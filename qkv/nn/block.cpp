#include "qkv/nn/block.h"

#include "qkv/autograd/elementwise.h"

namespace qkv::nn {
namespace {

/// One residual step.  step(input, residual) gives residual + f(input); without a residual, f(input).
template <class Step>
variable residual_step(const variable& x, const norm& normalise, norm_place place, const dropout& drop,
                       const forward_mode& mode, const Step& step) {
  const variable input = place == norm_place::before ? normalise(x) : x;
  const variable sum = drop.acts(mode) ? add(x, drop(step(input, variable()), mode)) : step(input, x);
  return place == norm_place::after ? normalise(sum) : sum;
}

}  // namespace

variable block::operator()(const variable& x, const forward_mode& mode) const {
  const variable seen = residual_step(x, norm1, place, dropout1, mode, mixer);
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
