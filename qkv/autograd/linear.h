// Matrix products on the tape.
#pragma once
#include "qkv/autograd/variable.h"

namespace qkv {

/// residual + x W^T + bias, as qkv/ops/linear.h has it; empty variables are left out.
///   x [..., I]   weight [O, I]   bias [O]   residual and outcome [..., O]
variable linear(const variable& x, const variable& weight, const variable& bias = {}, const variable& residual = {});

/// a b for the last two axes.   a [..., M, K]   b [..., K, N]
variable matmul(const variable& a, const variable& b);

}  // namespace qkv
