// One layer of a decoder that also looks at another text: its tokens look at each other, then at the memory (the
// encoder's outcome), then each is worked on by itself.  Source: Vaswani et al. 2017, section 3.1, figure 1, right.
#pragma once
#include "qkv/nn/feed_forward.h"
#include "qkv/nn/multi_head_attention.h"
#include "qkv/nn/residual_step.h"

namespace qkv::nn {

///   B sequences   T tokens   S tokens of memory   C width
struct cross_block {
  norm_place place = norm_place::before;
  norm norm1, norm2, norm3;
  multi_head_attention attention;  ///< of the tokens to each other
  multi_head_attention cross;      ///< of the tokens to the memory
  feed_forward update;
  dropout dropout1, dropout2, dropout3;

  /// x [B, T, C] and memory [B, S, C] to [B, T, C].
  /// @param own, links  how sequences lie in x, and in x and memory, where they are ragged
  variable operator()(const variable& x, const variable& memory, const forward_mode& mode, const sequences& own,
                      const sequences& links) const;
  /// The same for one token of each of R texts, x [R, 1, C], that continue those in the cache; values only.
  /// @param memory  keys and values of the memory, as cross.memory_of gives them
  /// @param links  how the R texts, as queries in one row, lie over the memory
  variable continued(const variable& x, const memory_links& memory, key_value_cache& cache,
                     const sequences& links) const;

  /// How the heads look at the memory, given the layer's input [1, T, C]: [H, T, S], every row summing to one.
  tensor looks(const variable& x, const variable& memory) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    norm1.visit(prefix + "norm1.", see);
    attention.visit(prefix + "attention.", see);
    norm2.visit(prefix + "norm2.", see);
    cross.visit(prefix + "cross.", see);
    norm3.visit(prefix + "norm3.", see);
    update.visit(prefix + "feed_forward.", see);
  }
};

}  // namespace qkv::nn
