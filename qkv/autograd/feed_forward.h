// Two products with an activation between them, as one step of the tape: the activation is applied, and its derivative
// too, while the products still hold the numbers in registers or L1.
#pragma once
#include "qkv/autograd/variable.h"
#include "qkv/kernels/activation.h"

namespace qkv {

/// residual + f(x U^T + up_bias) D^T + down_bias; empty biases and residual are left out.
///   x, residual, outcome [..., C]   up [F, C]   down [C, F]
variable feed_forward(const variable& x, const variable& up, const variable& up_bias, const variable& down,
                      const variable& down_bias, const variable& residual, activation f);

}  // namespace qkv
