// Ways to mix tokens, and to turn them by their positions, on the tape.
#pragma once
#include "qkv/autograd/variable.h"
#include "qkv/ops/depthwise_convolution.h"
#include "qkv/ops/rotary.h"

namespace qkv {

/// x [B, T, C]   weight [K, C]   bias [C], or empty   (qkv/ops/depthwise_convolution.h)
variable depthwise_convolution(const variable& x, const variable& weight, const variable& bias,
                               convolution_reach reach);

/// x [B, T, C]   (qkv/ops/fourier_mixing.h)
variable fourier_mixing(const variable& x);

/// x [B, T, H, D], turned by positions that start at `first`   (qkv/ops/rotary.h)
variable rotary(const variable& x, const rotary_table& table, long first = 0);

}  // namespace qkv
