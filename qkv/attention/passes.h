// The two passes over a problem whose arguments have been checked and whose queries and keys are prepared.
#pragma once
#include "qkv/attention/forward_kernel.h"
#include "qkv/attention/narrow.h"
#include "qkv/attention/prepare.h"

namespace qkv {

/// out [B, T, H, E], lse [B, T, H]: see attention_into.
void run_forward(const formula&, const problem&, const prepared_problem&, view<float, 4> out, view<float, 3> lse,
                 workspace::state&);

/// The same over keys and values that are narrow; those of `shapes` are never read.
void run_forward(const formula&, const problem& shapes, const narrow_problem&, const prepared_problem&,
                 view<float, 4> out, view<float, 3> lse, workspace::state&);

/// Which links of each row top-k keeps, cuts [B, H, T].  Cost: a forward pass without the blend.
void find_cuts(const formula&, const problem&, const prepared_problem&, row_cut* cuts, workspace::state&);

/// Calls visit(work, sequence, group) for every block of queries: its work as the forward kernel would get it, with room
/// for whole rows of scores and without results.  Blocks of one group follow each other; groups run side by side.
void visit_queries(const formula&, const problem&, const prepared_problem&, long groups,
                   function_ref<void(const forward_work&, const sequence&, long group)> visit, workspace::state&);

/// The same in another order: all heads of one block, side by side, then after(sequence).
void visit_heads(const formula&, const problem&, const prepared_problem&,
                 function_ref<void(const forward_work&, const sequence&)> visit, function_ref<void(const sequence&)> after,
                 workspace::state&);

/// See attention_backward_into; dq and dk are those of the prepared queries and keys.
void run_backward(const formula&, const problem&, const prepared_problem&, view<const float, 4> out,
                  view<const float, 3> lse, view<const float, 4> dout, view<float, 4> dq, view<float, 4> dk,
                  view<float, 4> dv, std::span<float* const> learned, workspace::state&);

}  // namespace qkv
