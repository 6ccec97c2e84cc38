// One residual step of a block: what was there before, plus what a sublayer makes of it (He et al. 2016).
#pragma once
#include "qkv/autograd/elementwise.h"
#include "qkv/nn/dropout.h"
#include "qkv/nn/norm.h"

namespace qkv::nn {

/// before: x + f(norm(x)) (pre-norm: Xiong et al. 2020, GPT-2); after: norm(x + f(x)) (post-norm: Vaswani et al. 2017).
enum class norm_place { before, after };

/// step(input, residual) gives residual + f(input); without a residual, f(input).
template <class Step>
variable residual_step(const variable& x, const norm& normalise, norm_place place, const dropout& drop,
                       const forward_mode& mode, const Step& step) {
  const variable input = place == norm_place::before ? normalise(x) : x;
  const variable sum = drop.acts(mode) ? add(x, drop(step(input, variable()), mode)) : step(input, x);
  return place == norm_place::after ? normalise(sum) : sum;
}

}  // namespace qkv::nn
