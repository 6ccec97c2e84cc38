// Normalisation on the tape.
#pragma once
#include "qkv/autograd/variable.h"

namespace qkv {

/// Layer norm over the last axis (qkv/ops/layer_norm.h).   x [..., C]   weight, bias [C]; empty: left out
variable layer_norm(const variable& x, const variable& weight, const variable& bias = {}, float epsilon = 1e-5f);

/// RMS norm over the last axis (qkv/ops/rms_norm.h).   x [..., C]   weight [C]
variable rms_norm(const variable& x, const variable& weight, float epsilon = 1e-5f);

}  // namespace qkv
