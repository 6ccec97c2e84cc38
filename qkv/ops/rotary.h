// Rotary positions: pairs of a head's numbers, turned by an angle that grows with the position.
// Source: Su et al. 2021, "RoFormer".
#pragma once
#include "qkv/tensor/tensor.h"

namespace qkv {

/// Which numbers form pair p of a head of width D: half_split p and p + D/2 (Llama, GPT-NeoX); interleaved 2p and 2p+1
/// (the paper, GPT-J).
enum class rotary_layout { half_split, interleaved };

/// Cosines and sines of position * base^(-2p/D).
struct rotary_table {
  tensor cosine, sine;  ///< [length, D / 2] float32, computed in double
};
/// @throws shape_error "rotary: expected an even width; found 7", "rotary: expected a base above 0; found 0.000000"
rotary_table make_rotary_table(long length, long width, double base = 10000);

/// x with every pair turned by the angle of its position.
///
///   B sequences   T positions   H heads   D width
///
/// @param x  [B, T, H, D] float32; unit stride in D, any others, so slices of a joint q, k, v product work in place
/// @param first  the position of T = 0 (generation continues a text)
/// @throws shape_error "rotary: expected positions below 64; found 65"
tensor rotary(const tensor& x, const rotary_table& table, long first = 0,
              rotary_layout layout = rotary_layout::half_split);
void rotary_into(const tensor& y, const tensor& x, const rotary_table& table, long first = 0,
                 rotary_layout layout = rotary_layout::half_split);  ///< y may be x

/// The gradient is turned back: the transposed rotation.   dx may be dy.
void rotary_backward_into(const tensor& dx, const tensor& dy, const rotary_table& table, long first = 0,
                          rotary_layout layout = rotary_layout::half_split);

}  // namespace qkv
