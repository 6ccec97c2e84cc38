// One layer of a transformer: tokens look at each other, then each is worked on by itself.  Both steps add to what was
// there (residual: He et al. 2016), so that nothing known before has to be learned again.
#pragma once
#include "qkv/nn/feed_forward.h"
#include "qkv/nn/residual_step.h"
#include "qkv/nn/token_mixer.h"

namespace qkv::nn {

struct block {
  norm_place place = norm_place::before;
  norm norm1, norm2;
  token_mixer mixer;  ///< attention, or what is in its place
  feed_forward update;
  dropout dropout1, dropout2;

  /// x [B, T, C] to [B, T, C].   @param own  how sequences lie in x, where they are ragged
  variable operator()(const variable& x, const forward_mode& mode, const sequences& own = {}) const;
  /// The same for tokens that continue those that the state has read; values only.
  variable continued(const variable& x, mixer_state& state) const;
  mixer_state make_state(long sequences, long capacity) const { return mixer.make_state(sequences, capacity); }
  /// What this layer's heads look with and look at, given the layer's input.
  /// @throws shape_error where the layer has another mixer than attention
  attention_inputs links(const variable& x) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    norm1.visit(prefix + "norm1.", see);
    mixer.visit(prefix + (mixer.attention() ? "attention." : "mixer."), see);
    norm2.visit(prefix + "norm2.", see);
    update.visit(prefix + "feed_forward.", see);
  }
};

}  // namespace qkv::nn
