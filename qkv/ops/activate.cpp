#include "qkv/ops/activate.h"

#include "qkv/kernels/elementwise.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "activate";

}  // namespace

tensor activate(const tensor& x, activation f) {
  tensor y = tensor::uninitialized(x.shape());
  activate_into(y, x, f);
  return y;
}

void activate_into(const tensor& y, const tensor& x, activation f) {
  expect_shape(y, x.shape(), op, "y");
  expect_same_or_apart(y, x, op, "y", "x");
  const auto from = rows_to_read(x);
  const auto to = rows_to_write(y, op, "y");
  const auto kernel = elementwise_now().activate;
  for_spans(from.count, from.width, from.dense() && to.dense(),
            [&](long row, long first, long n) { kernel(to.row(row) + first, from.row(row) + first, n, f); });
}

tensor activate_backward(const tensor& dy, const tensor& x, activation f) {
  tensor dx = tensor::uninitialized(x.shape());
  activate_backward_into(dx, dy, x, f);
  return dx;
}

void activate_backward_into(const tensor& dx, const tensor& dy, const tensor& x, activation f, writing write) {
  expect_shape(dy, x.shape(), op, "dy");
  expect_shape(dx, x.shape(), op, "dx");
  expect_same_or_apart(dx, dy, op, "dx", "dy");
  expect_same_or_apart(dx, x, op, "dx", "x");
  const auto from = rows_to_read(x), gradient = rows_to_read(dy);
  const auto to = rows_to_write(dx, op, "dx");
  const auto kernel = elementwise_now().activate_backward;
  const bool dense = from.dense() && gradient.dense() && to.dense();
  for_spans(from.count, from.width, dense, [&](long row, long first, long n) {
    kernel(to.row(row) + first, gradient.row(row) + first, from.row(row) + first, n, f, write == writing::add);
  });
}

}  // namespace qkv
