// Linear attention on the tape.
#pragma once
#include "qkv/autograd/variable.h"
#include "qkv/linear_attention/linear_attention.h"

namespace qkv {

/// What else linear attention may learn: in place of the tensors of the options, shapes as there; empty for none.
struct linear_attention_variables {
  variable decay{}, beta{}, state{};
};

/// qkv::linear_attention with gradients for q, k, v and those of decay, beta and state that are given as variables.
///   q [B, T, H, D]   k [B, S, G, D]   v [B, S, G, E]   returns [B, T, H, E]
/// @throws what qkv::linear_attention throws
variable linear_attention(const variable& q, const variable& k, const variable& v,
                          linear_attention_options options = {}, const linear_attention_variables& learned = {});

}  // namespace qkv
