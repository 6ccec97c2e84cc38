// recurrence: what is left of a call once feature maps, the normaliser and the defaults are dealt with, on views of
// float32; and the passes over it.  Internal to this room.
#pragma once
#include <array>

#include "qkv/base/memory.h"
#include "qkv/linear_attention/chunk.h"

namespace qkv::detail {

/// Float32 memory, 64-byte aligned, contents undefined.
class float_block {
 public:
  float_block() = default;
  explicit float_block(long count) : memory_(allocate_memory(std::size_t(count) * sizeof(float))) {}
  float* data() const { return reinterpret_cast<float*>(memory_.get()); }

 private:
  std::shared_ptr<std::byte[]> memory_;
};

/// What the forward pass keeps for the backward pass.
struct kept_states {
  chunk_plan plan;
  float_block states;     ///< the state before each stretch, and after the last one of each piece, by slot
  float_block corrected;  ///< [B, G, T, E]: what the delta rules write in place of v
};

/// The states before each chunk of a stretch and, last, after it; those that are not kept are found again in `memory`.
struct states_in_stretch {
  std::array<const float*, chunk_side + 1> at;
};
states_in_stretch find_states(const recurrence& x, const kept_states& kept, const stretch& s, scratch& memory);

/// What the delta rules write in place of a chunk's v, and what its rule writes: that, or v itself.
matrix corrected_values(const recurrence& x, const kept_states& kept, const chunk& c);
const_matrix values_of(const recurrence& x, const kept_states& kept, const chunk& c);

/// Gradients to be written; data is null where there is none.  Unit stride in the last axis of dq, dk, dv.
struct recurrence_gradients {
  view<float, 4> dq, dk, dv;
  view<float, 4> ddecay;  ///< [B, T, G, D], or [B, T, G, 1] for one number a head
  view<float, 3> dbeta;   ///< [B, T, G]
  view<float, 4> dstate;  ///< [B, G, D, E], dense
};

/// out [B, T, H, E] with unit stride in its last axis; state [B, G, D, E], dense, holds S_0 before and S_T after.
kept_states run_causal(const recurrence& x, view<float, 4> out, view<float, 4> state);
/// dstate holds the gradient of S_T before and of S_0 after.
void run_causal_backward(const recurrence& x, const kept_states& kept, view<const float, 4> dout,
                         const recurrence_gradients& gradients);

/// The same where every query reads the state after the last key; rule linear.
void run_all_keys(const recurrence& x, view<float, 4> out, view<float, 4> state);
/// state as the forward pass left it.
void run_all_keys_backward(const recurrence& x, view<const float, 4> state, view<const float, 4> dout,
                           const recurrence_gradients& gradients);

}  // namespace qkv::detail
