#include "qkv/ops/softmax.h"

#include "qkv/kernels/softmax.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "softmax";

}  // namespace

tensor softmax_rows(const tensor& x) {
  tensor y = tensor::uninitialized(x.shape());
  softmax_rows_into(y, x);
  return y;
}

void softmax_rows_into(const tensor& y, const tensor& x) {
  expect_shape(y, x.shape(), op, "y");
  expect_same_or_apart(y, x, op, "y", "x");
  const auto from = rows_to_read(x);
  const auto to = rows_to_write(y, op, "y");
  const auto kernel = softmax_rows_now().softmax;
  for_rows(from.count, from.width, [&](long first, long count) {
    for (long i = first; i < first + count; ++i) kernel(to.row(i), from.row(i), from.width);
  });
}

tensor softmax_rows_backward(const tensor& dy, const tensor& y) {
  tensor dx = tensor::uninitialized(y.shape());
  softmax_rows_backward_into(dx, dy, y);
  return dx;
}

void softmax_rows_backward_into(const tensor& dx, const tensor& dy, const tensor& y, writing write) {
  expect_shape(dy, y.shape(), op, "dy");
  expect_shape(dx, y.shape(), op, "dx");
  expect_same_or_apart(dx, dy, op, "dx", "dy");
  expect_same_or_apart(dx, y, op, "dx", "y");
  const auto weights = rows_to_read(y), gradient = rows_to_read(dy);
  const auto to = rows_to_write(dx, op, "dx");
  const auto kernel = softmax_rows_now().softmax_backward;
  for_rows(weights.count, weights.width, [&](long first, long count) {
    for (long i = first; i < first + count; ++i)
      kernel(to.row(i), gradient.row(i), weights.row(i), weights.width, write == writing::add);
  });
}

}  // namespace qkv
