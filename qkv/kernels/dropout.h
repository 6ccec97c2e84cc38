// The kernel of dropout: random numbers and the mask they make, in one pass.
#pragma once
#include <cstdint>

#include "qkv/base/instruction_set.h"

namespace qkv {

struct dropout_kernels {
  /// y[i] = (or +=) factor * x[i] where bits(first + i) >= threshold, else 0.  bits are random_stream's: Philox
  /// 4x32-10, one counter for four numbers.  first is a multiple of 4.
  void (*dropout)(float* y, const float* x, long n, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
                  std::uint32_t threshold, float factor, bool accumulate);
};
QKV_KERNEL_TABLE(dropout_kernels, dropout_rows)

}  // namespace qkv
