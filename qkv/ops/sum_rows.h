// The sum of rows, as every bias's gradient needs it.  Internal to this room.
#pragma once
#include "qkv/ops/rows.h"
#include "qkv/ops/writing.h"

namespace qkv {

/// to[j] = (or +=) sum over i of x[i][j]: partial sums over blocks of rows fixed by the shape, then added in order.
void sum_rows(float* to, const rows<const float>& x, writing write);

}  // namespace qkv
