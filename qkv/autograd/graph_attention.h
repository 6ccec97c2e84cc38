// Attention over the links of a graph, on the tape.
#pragma once
#include "qkv/attention/graph_attention.h"
#include "qkv/autograd/attention.h"

namespace qkv {

/// qkv::graph_attention with gradients for q, k, v and the parts' learned variables.
///   q [B, T, H, D]   k [B, S, G, D]   v [B, S, G, E]   returns [B, T, H, E]
variable graph_attention(const variable& q, const variable& k, const variable& v, const graphs& links,
                         const attention_parts& parts);

template <class... Parts>
variable graph_attention(const variable& q, const variable& k, const variable& v, const graphs& links,
                         const Parts&... parts) {
  return graph_attention(q, k, v, links, make_attention_parts(parts...));
}

}  // namespace qkv
