#include "qkv/ops/sum.h"

#include <vector>

#include "qkv/kernels/elementwise.h"
#include "qkv/kernels/optimizer.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "sum";

/// x as [before, size, after] around an axis; contiguous.
struct around_axis {
  tensor owner;
  long before = 1, size = 1, after = 1;
  shape rest;  ///< x's shape without the axis

  around_axis(const tensor& x, int axis) : owner(x.to_contiguous()), rest(x.shape()) {
    const long along = axis < 0 ? axis + x.rank() : axis;
    if (along < 0 || along >= x.rank())
      refuse(op, "an axis of a tensor with " + std::to_string(x.rank()) + " axes", std::to_string(axis));
    for (long i = 0; i < along; ++i) before *= x.shape()[std::size_t(i)];
    for (long i = along + 1; i < x.rank(); ++i) after *= x.shape()[std::size_t(i)];
    size = x.shape()[std::size_t(along)];
    rest.erase(rest.begin() + along);
  }
};

}  // namespace

double sum(const tensor& x) {
  const tensor flat = x.to_contiguous();
  const float* data = flat.data<float>();
  std::vector<double> partial(std::size_t((x.size() + piece_size - 1) / piece_size));
  const auto kernel = optimizer_now().sum;
  parallel_for(long(partial.size()), [&](long item, int) {
    const long first = item * piece_size;
    partial[std::size_t(item)] = kernel(data + first, std::min(piece_size, x.size() - first));
  });
  double total = 0;
  for (const double p : partial) total += p;
  return total;
}

double mean(const tensor& x) { return sum(x) / double(x.size()); }

tensor sum(const tensor& x, int axis) {
  const around_axis a(x, axis);
  tensor y = tensor::uninitialized(a.rest);
  const float* from = a.owner.data<float>();
  auto* to = y.data<float>();
  if (a.after == 1) {
    const auto kernel = optimizer_now().sum;
    for_rows(a.before, a.size, [&](long first, long count) {
      for (long i = first; i < first + count; ++i) to[i] = float(kernel(from + i * a.size, a.size));
    });
  } else if (a.after > 0) {
    const auto kernel = elementwise_now().sum_rows;
    const long slice = 1024, slices = (a.after + slice - 1) / slice;
    parallel_for(a.before * slices, [&](long item, int) {
      const long i = item / slices, column = item % slices * slice;
      kernel(to + i * a.after + column, from + i * a.size * a.after + column, a.after, a.size,
             std::min(slice, a.after - column), false);
    });
  }
  return y;
}

tensor mean(const tensor& x, int axis) {
  tensor y = sum(x, axis);
  const float size = float(x.dim(axis));
  for (float& value : y.values<float>()) value /= size;
  return y;
}

void sum_backward_into(const tensor& dx, const tensor& dy, int axis, float factor, writing write) {
  if (!dx.contiguous()) refuse(op, "a contiguous dx", "strides " + to_string(dx.strides()));
  const around_axis a(dx, axis);
  expect_shape(dy, a.rest, op, "dy");
  expect_apart(dx, dy, op, "dx", "dy");
  const tensor gradient = dy.to_contiguous();
  const float* from = gradient.data<float>();
  auto* to = dx.data<float>();
  const auto kernel = elementwise_now().scale;
  const bool add = write == writing::add;
  for_rows(a.before * a.size, a.after, [&](long first, long count) {
    for (long i = first; i < first + count; ++i)
      kernel(to + i * a.after, from + i / a.size * a.after, factor, a.after, add);
  });
}

}  // namespace qkv
