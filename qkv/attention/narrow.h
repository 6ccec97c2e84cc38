// Keys and values in fewer bytes than float32: bfloat16, or int8 with one scale for each token and head.  The forward
// pass takes them as they are; sums and weights stay float32.
//
//     quantised k8 = quantise(k), v8 = quantise(v);      // a cache a quarter as large
//     tensor out = attention(q, k8, v8, causal);
//     tensor out = attention(q, k.to(dtype::bfloat16), v.to(dtype::bfloat16), causal);
//
// What is lost: bfloat16 rounds each number by up to 2^-8 of itself, int8 by up to 1/254 of the greatest magnitude in
// its row.  A score of q . k moves by at most sum |q_c| times that, an output by the values' error and by how far the
// weights move with the scores.  Nothing else differs from float32.
#pragma once
#include <memory>
#include <variant>

#include "qkv/attention/engine.h"

namespace qkv {

/// Numbers x = value * scale, in anyone's memory.
struct quantised {
  view<const std::int8_t, 4> values;     ///< [B, S, G, D], unit stride in the last axis
  view<const float, 3> scales;           ///< [B, S, G]
  std::shared_ptr<const void> memory{};  ///< what keeps both alive; null: the caller does
};

/// Rounds each row of x [B, S, G, D] to whole multiples of its greatest magnitude / 127, to the nearest, ties to even.
/// A row that holds NaN or an infinity becomes NaN as a whole; a row of zeros stays so.
/// Throws shape_error for another rank, unsupported_error for another type than float32.
/// Cost: two passes over x; memory D + 4 bytes a row.  Source: the "vector-wise" absmax rounding of Dettmers et al.
/// 2022, arXiv:2208.07339, section 2.1.
quantised quantise(const tensor& x);
/// The same into given memory, such as the next places of a cache.  Throws shape_error unless sizes agree.
void quantise_into(view<const float, 4> x, view<std::int8_t, 4> values, view<float, 3> scales);
/// value * scale, [B, S, G, D] float32.
tensor dequantised(const quantised&);

/// Keys or values in any of the forms that the forward pass takes.
using narrow_view = std::variant<view<const float, 4>, view<const bfloat16, 4>, quantised>;

/// E of values, D of keys.
inline long channels_of(const narrow_view& v) {
  return std::visit(
      [](const auto& x) {
        if constexpr (requires { x.values; })
          return x.values.sizes[3];
        else
          return x.sizes[3];
      },
      v);
}

/// As problem: q [B, T, H, D], k [B, S, G, D], v [B, S, G, E].
struct narrow_problem {
  view<const float, 4> q;
  narrow_view k, v;
  alignment align = bottom_right;
  sequences ragged{};
};

/// Attention into given memory; results as attention_into, from the same formulas.  A link's key is what its bytes say,
/// NaN and infinity included: as ever they show in rows that have the link, and in no others.
/// Throws what attention_into throws.
/// Cost: as attention_into, and a conversion of each key for every 8 blocks of 48 queries that read it.  Memory beside
/// what is given: one block of up to 256 keys for each thread, and the results of 8 blocks of queries; with weightings
/// that need whole rows, 48 scores a key for each thread.
void attention_into(const formula&, const narrow_problem&, view<float, 4> out, view<float, 3> lse, workspace&);

}  // namespace qkv
