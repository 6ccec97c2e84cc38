// The kernel of rotary positions: one head at one position.
#pragma once
#include "qkv/base/instruction_set.h"

namespace qkv {

/// Turns pairs p < half of x by the angle whose cosine and sine are given (direction -1 turns back), to y, which may
/// be x.
struct rotary_kernels {
  /// Pair p is x[p], x[p + half].
  void (*half_split)(float* y, const float* x, const float* cosine, const float* sine, float direction, long half);
  /// Pair p is x[2p], x[2p + 1].
  void (*interleaved)(float* y, const float* x, const float* cosine, const float* sine, float direction, long half);
};
QKV_KERNEL_TABLE(rotary_kernels, rotary_rows)

}  // namespace qkv
