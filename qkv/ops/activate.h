// GELU, SiLU, ReLU, tanh and the sigmoid as ops of their own; in a feed-forward layer they are cheaper in the product's epilogue
// (linear.h).
#pragma once
#include "qkv/kernels/activation.h"
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// f(x) element by element, float32; f as named in qkv/kernels/activation.h.  Error of gelu against the exact value:
/// below 4e-7 max(1, |x|).  NaN stays NaN; f(-inf) is the limit: -1 for tanh, 0 for the others.
tensor activate(const tensor& x, activation f);
void activate_into(const tensor& y, const tensor& x, activation f);  ///< y may be x

/// dx = dy f'(x).
tensor activate_backward(const tensor& dy, const tensor& x, activation f);
void activate_backward_into(const tensor& dx, const tensor& dy, const tensor& x, activation f,
                            writing write = writing::replace);  ///< dx may be dy

inline tensor gelu(const tensor& x) { return activate(x, activation::gelu); }
inline tensor silu(const tensor& x) { return activate(x, activation::silu); }
inline tensor relu(const tensor& x) { return activate(x, activation::relu); }
inline tensor tanh(const tensor& x) { return activate(x, activation::tanh); }
inline tensor sigmoid(const tensor& x) { return activate(x, activation::sigmoid); }

}  // namespace qkv
