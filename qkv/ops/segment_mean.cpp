#include "qkv/ops/segment_mean.h"

#include <cstring>

#include "qkv/kernels/elementwise.h"
#include "qkv/ops/rows.h"
#include "qkv/ops/sequence_steps.h"

namespace qkv {
namespace {

constexpr const char* op = "segment_mean";

}  // namespace

tensor segment_mean(const tensor& x, std::span<const long> offsets) {
  expect_rank(x, 2, op, "x [N, C]");
  tensor y = tensor::uninitialized({check_offsets(op, offsets, x.dim(0)), x.dim(1)});
  segment_mean_into(y, x, offsets);
  return y;
}

void segment_mean_into(const tensor& y, const tensor& x, std::span<const long> offsets) {
  expect_rank(x, 2, op, "x [N, C]");
  expect_shape(y, {check_offsets(op, offsets, x.dim(0)), x.dim(1)}, op, "y");
  expect_apart(y, x, op, "y", "x");
  const auto from = rows_to_read(x);
  const auto to = rows_to_write(y, op, "y");
  const auto& kernels = elementwise_now();
  parallel_for(to.count, [&](long b, int) {
    const long first = offsets[std::size_t(b)], count = offsets[std::size_t(b) + 1] - first;
    kernels.sum_rows(to.row(b), from.row(first), from.stride, count, to.width, false);
    if (count > 1) kernels.scale(to.row(b), to.row(b), 1 / float(count), to.width, false);
  });
}

void segment_mean_backward_into(const tensor& dx, const tensor& dy, std::span<const long> offsets, writing write) {
  expect_rank(dx, 2, op, "dx [N, C]");
  expect_shape(dy, {check_offsets(op, offsets, dx.dim(0)), dx.dim(1)}, op, "dy");
  expect_apart(dx, dy, op, "dx", "dy");
  const auto from = rows_to_read(dy);
  const auto to = rows_to_write(dx, op, "dx");
  const auto& kernels = elementwise_now();
  parallel_for(from.count, [&](long b, int) {
    const long first = offsets[std::size_t(b)], end = offsets[std::size_t(b) + 1];
    for (long i = first; i < end; ++i)
      kernels.scale(to.row(i), from.row(b), 1 / float(end - first), to.width, write == writing::add);
  });
}

}  // namespace qkv
