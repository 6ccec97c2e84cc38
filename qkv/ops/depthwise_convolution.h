// Depthwise convolution along time: every channel is filtered by itself.
// Source: Sifre & Mallat 2014; for text: Kaiser, Gomez & Chollet 2017, arXiv:1706.03059.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// past: a token sees itself and those before it.  centred: as many after it as before; of an even number of taps
/// one more before.
enum class convolution_reach { past, centred };

/// y[b, t, c] = bias[c] + sum over k of weight[k, c] x[b, t + k - back, c], zeros outside of the sequence; back is
/// K - 1 when past, K / 2 when centred.
///
///   B sequences   T tokens   C channels   K taps
///
/// @param x  [B, T, C] float32   @param weight  [K, C]   @param bias  [C], or empty   @returns [B, T, C]
/// @throws shape_error "depthwise_convolution: expected weight [K, 8]; found [3, 4]"
/// Cost: 2 B T C K flops.
tensor depthwise_convolution(const tensor& x, const tensor& weight, const tensor& bias = {},
                             convolution_reach reach = convolution_reach::past);
void depthwise_convolution_into(const tensor& y, const tensor& x, const tensor& weight, const tensor& bias = {},
                                convolution_reach reach = convolution_reach::past);

/// dx (replaced or added to), dweight and dbias, which are added to; an empty gradient is left out.
void depthwise_convolution_backward_into(const tensor& dx, const tensor& dweight, const tensor& dbias, const tensor& dy,
                                         const tensor& x, const tensor& weight, convolution_reach reach,
                                         writing write_dx = writing::replace);

}  // namespace qkv
