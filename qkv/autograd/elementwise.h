// Functions of single elements, on the tape.
#pragma once
#include "qkv/autograd/variable.h"
#include "qkv/base/random.h"
#include "qkv/kernels/activation.h"

namespace qkv {

/// a + b; b may have a's last axes only and is then repeated (qkv/ops/add.h).
variable add(const variable& a, const variable& b);
variable multiply(const variable& a, const variable& b);  ///< equal shapes
variable multiply(const variable& x, float factor);

variable activate(const variable& x, activation f);
inline variable gelu(const variable& x) { return activate(x, activation::gelu); }
inline variable silu(const variable& x) { return activate(x, activation::silu); }
inline variable relu(const variable& x) { return activate(x, activation::relu); }
inline variable tanh(const variable& x) { return activate(x, activation::tanh); }
inline variable sigmoid(const variable& x) { return activate(x, activation::sigmoid); }
/// silu(gate) * up, the two halves of x [..., 2 F] (qkv/ops/swiglu.h).   @returns [..., F]
variable swiglu(const variable& x);

variable dropout(const variable& x, double probability, random_stream random);

}  // namespace qkv
