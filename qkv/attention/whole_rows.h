// What the backward pass asks the forward pass for again: which links of each row top-k keeps.
#pragma once
#include "qkv/attention/forward_kernel.h"
#include "qkv/attention/prepare.h"

namespace qkv {

/// cuts [B, H, T].  Cost: a forward pass without the blend.
void find_cuts(const formula&, const problem&, const prepared_problem&, row_cut* cuts, workspace::state&);

}  // namespace qkv
