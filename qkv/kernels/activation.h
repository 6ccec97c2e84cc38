// The scalar functions between two linear layers, by name, so that a product's epilogue can apply them.
#pragma once

namespace qkv {

///   gelu       x Phi(x), exact, by erf; Hendrycks & Gimpel 2016
///   gelu_tanh  its approximation 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), as in GPT-2
///   silu       x sigmoid(x); Elfwing et al. 2018
///   relu       max(x, 0); NaN stays NaN
///   tanh       between -1 and 1
///   sigmoid    1 / (1 + exp(-x)), between 0 and 1
enum class activation { none, gelu, gelu_tanh, silu, relu, tanh, sigmoid };

}  // namespace qkv
