// Tokens and channels mixed by a Fourier transform, without any weights.
// Source: Lee-Thorp et al. 2021 (FNet), arXiv:2105.03824, eq. 3.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// The real part of the two-dimensional discrete Fourier transform of every sequence, divided by sqrt(T C), which keeps
/// the size of its numbers:
///
///     y[t, c] = sum over s, d of x[s, d] cos(2 pi (t s / T + c d / C)) / sqrt(T C)
///
/// Every token sees every other, those after it too.  The transform is its own transpose, so its derivative is itself:
/// dx = fourier_mixing(dy).
///
/// @param x  [B, T, C] float32   @returns [B, T, C]
/// Cost: two products with tables of sines, 4 B T C (T + C) flops; memory: B T 2 C and the tables, 2 T^2 + 2 C^2.
tensor fourier_mixing(const tensor& x);
/// y lies apart from x.
void fourier_mixing_into(const tensor& y, const tensor& x, writing write = writing::replace);

}  // namespace qkv
