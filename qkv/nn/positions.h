// Where a token stands, said in its vector: attention by itself does not see the order of its keys.
#pragma once
#include "qkv/tensor/tensor.h"

namespace qkv::nn {

/// How a model is told positions: not at all; a learned vector for each; sines of fixed wavelengths; the Fourier basis
/// sin(x), sin(x/B), sin(x/B^2), ...; queries and keys turned by an angle (rotary: qkv/ops/rotary.h); or numbers that
/// are added to the scores (qkv/attention/score.h): alibi's slopes, T5's learned buckets of distances (relative), and a
/// learned number for each distance within a window (local).
/// In this order: those that are added to tokens, then those that only attention can use.
enum class position_kind { none, learned, sinusoidal, fourier, rotary, alibi, relative, local };

/// Vaswani et al. 2017, section 3.5: [t, 2 i] = sin(t / base^(2 i / C)), [t, 2 i + 1] = cos of the same.
/// @returns [T, C] for positions 0 .. T - 1.   @throws shape_error for an odd width or a base <= 0
tensor sinusoidal_positions(long tokens, long width, double base = 10000);

/// The Fourier basis: [t, 2 k] = sin(t / B^k), [t, 2 k + 1] = cos(t / B^k).  Sinusoidal positions are those of
/// B = base^(2 / C).   @returns [T, C].   @throws shape_error for an odd width or B <= 0
tensor fourier_positions(long tokens, long width, double base = 2);

}  // namespace qkv::nn
