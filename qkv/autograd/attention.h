// Attention on the tape, for any composition of parts.
#pragma once
#include <memory>
#include <vector>

#include "qkv/attention/attention.h"
#include "qkv/autograd/variable.h"
#include "qkv/ops/rotary.h"

namespace qkv {

/// A composition of parts to be stored: what `attention(q, k, v, parts...)` takes after v, behind one type.
struct attention_parts {
  std::shared_ptr<const qkv::formula> formula;
  alignment align = bottom_right;
  sequences ragged;
  /// The learned tensors among the parts whose gradients are wanted: alibi(slopes.value()) with learned = {slopes}.
  std::vector<variable> learned;
};

template <class... Parts>
attention_parts make_attention_parts(const Parts&... parts) {
  const auto formula = detail::formula_for(attention_variant(parts...).parts);
  const auto laid = formula->with(problem{});
  return {formula, laid.align, laid.ragged, {}};
}

/// The same parts with every learned tensor among them as a variable: a step of the optimiser reaches the parts too.
attention_parts with_everything_learned(attention_parts parts);

/// qkv::attention with gradients for q, k, v and the parts' learned variables.
///   q [B, T, H, D]   k [B, S, G, D]   v [B, S, G, E]   returns [B, T, H, E]
variable attention(const variable& q, const variable& k, const variable& v, const attention_parts& parts);

template <class... Parts>
variable attention(const variable& q, const variable& k, const variable& v, const Parts&... parts) {
  return attention(q, k, v, make_attention_parts(parts...));
}

/// How one joint product holds queries, keys and values: H, G and G heads of width D side by side.
struct joint_heads {
  long heads = 0, key_heads = 0, width = 0;
  long joint_width() const { return (heads + 2 * key_heads) * width; }

  // Views of a joint product [B, T, (H + 2 G) D].
  tensor queries(const tensor& joint) const;  ///< [B, T, H, D]
  tensor keys(const tensor& joint) const;     ///< [B, T, G, D]
  tensor values(const tensor& joint) const;   ///< [B, T, G, D]

  // Views of the keys and values of another text, [B, S, 2 G D].
  tensor keys_of(const tensor& links) const;    ///< [B, S, G, D]
  tensor values_of(const tensor& links) const;  ///< [B, S, G, D]
};

/// Attention of tokens to each other, straight from one joint product: no copies of its three parts, and one gradient.
/// @param joint  [B, T, (H + 2 G) D]
/// @param rotary  turns queries and keys by their positions where it is not null
/// @returns [B, T, H D]
variable self_attention(const variable& joint, const joint_heads& heads, const attention_parts& parts,
                        const rotary_table* rotary = nullptr);

/// Attention of one text to another, whose keys and values lie side by side in one product.
/// @param queries  [B, T, H D]   @param links  [B, S, 2 G D]   @returns [B, T, H D]
variable cross_attention(const variable& queries, const variable& links, const joint_heads& heads,
                         const attention_parts& parts);

/// The values alone, for decoding and for looking: q [B, T, H, D], k and v [B, S, G, D]; returns [B, T, H, D].
tensor attention_values(const tensor& q, const tensor& k, const tensor& v, const attention_parts& parts);

}  // namespace qkv
