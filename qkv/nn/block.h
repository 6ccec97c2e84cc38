// One layer of a transformer: tokens look at each other, then each is worked on by itself.  Both steps add to what was
// there (residual: He et al. 2016), so that nothing known before has to be learned again.
#pragma once
#include "qkv/nn/feed_forward.h"
#include "qkv/nn/multi_head_attention.h"
#include "qkv/nn/residual_step.h"

namespace qkv::nn {

struct block {
  norm_place place = norm_place::before;
  norm norm1, norm2;
  multi_head_attention attention;
  feed_forward update;
  dropout dropout1, dropout2;

  /// x [B, T, C] to [B, T, C].   @param own  how sequences lie in x, where they are ragged
  variable operator()(const variable& x, const forward_mode& mode, const sequences& own = {}) const;
  /// The same for tokens that continue those in the cache; values only.
  variable continued(const variable& x, key_value_cache& cache) const;
  /// What this layer's heads look with and look at, given the layer's input.
  attention_inputs links(const variable& x) const {
    return attention.inputs(place == norm_place::before ? norm1(x) : x);
  }

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    norm1.visit(prefix + "norm1.", see);
    attention.visit(prefix + "attention.", see);
    norm2.visit(prefix + "norm2.", see);
    update.visit(prefix + "feed_forward.", see);
  }
};

}  // namespace qkv::nn
