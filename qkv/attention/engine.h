// engine: the fused engine on views of anyone's memory.  attention.h is its convenient form.
#pragma once
#include <memory>

#include "qkv/attention/problem.h"

namespace qkv {

/// Scratch memory that a caller may keep: a call with a workspace that has served a call of the same shapes allocates
/// nothing.  Not to be shared by calls that run at the same time.
class workspace {
 public:
  workspace();
  ~workspace();
  workspace(workspace&&) noexcept;
  workspace& operator=(workspace&&) noexcept;

  struct state;
  state& inside();  ///< a new one in a workspace that was moved from

 private:
  std::unique_ptr<state> state_;
};

/// Attention into given memory.
///
///   out  [B, T, H, E]   lse  [B, T, H]   unit stride in out's last axis
///
/// Results may have any other strides, but neither overlap each other nor q, k and v.
/// Places that no sequence covers (padding) become out 0 and lse -infinity.
/// Throws shape_error, or unsupported_error for a part that is not fused.
/// Cost: 4 D operations a live link; memory O((T + S) D) in the workspace.
/// Source: Vaswani et al. 2017, eq. 1; Dao et al. 2022 (tiling), 2023 (split of work).
void attention_into(const formula&, const problem&, view<float, 4> out, view<float, 3> lse, workspace&);

/// Gradients of sum(out * dout) into given memory, which is overwritten (learned ones are added to).
///
///   dq  [B, T, H, D]   dk  [B, S, G, D]   dv  [B, S, G, E]   learned: one array per formula.parameters()
///
/// Results may have any strides with a last one of 1, but overlap neither each other nor what is read.
/// out and lse are those of the forward pass, or of the whole when these keys were a part.
/// Cost: 10 D operations a live link (five products); memory O((T + S) D) in the workspace.
/// Source: Dao 2023, algorithm 2.
void attention_backward_into(const formula&, const problem&, view<const float, 4> out, view<const float, 3> lse,
                             view<const float, 4> dout, view<float, 4> dq, view<float, 4> dk, view<float, 4> dv,
                             std::span<float* const> learned, workspace&);

/// The most learned tensors that one formula may have.
inline constexpr std::size_t most_learned = 64;

/// Throws unsupported_error, by name, when the fused engine lacks a part of this formula.
void check_fused(const char* operation, const formula&);

/// Counts of the last call that used this workspace: query-block x key-block tiles.
struct tile_counts {
  long empty = 0, partial = 0, full = 0;
};
tile_counts tiles_visited(workspace&);

}  // namespace qkv
