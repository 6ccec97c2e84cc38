#include "qkv/ops/sum_rows.h"

#include "qkv/base/memory.h"
#include "qkv/kernels/elementwise.h"

namespace qkv {
namespace {

/// Wide matrices are cut into slices of columns, tall ones into blocks of rows too.
constexpr long slice = 256;
constexpr long block = 256;

}  // namespace

void sum_rows(float* to, const rows<const float>& x, writing write) {
  const auto& kernels = elementwise_now();
  const long blocks = std::max(1l, (x.count + block - 1) / block), slices = (x.width + slice - 1) / slice;
  const auto workspace = allocate_memory(std::size_t(blocks * x.width) * sizeof(float));
  auto* partial = reinterpret_cast<float*>(workspace.get());
  parallel_for(blocks * slices, [&](long item, int) {
    const long first = item / slices * block, column = item % slices * slice;
    kernels.sum_rows(partial + item / slices * x.width + column, x.row(first) + column, x.stride,
                     std::min(block, x.count - first), std::min(slice, x.width - column), false);
  });
  kernels.sum_rows(to, partial, x.width, blocks, x.width, write == writing::add);
}

}  // namespace qkv
