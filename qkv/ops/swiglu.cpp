#include "qkv/ops/swiglu.h"

#include "qkv/kernels/elementwise.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "swiglu";

}  // namespace

tensor swiglu(const tensor& gate, const tensor& up) {
  tensor y = tensor::uninitialized(gate.shape());
  swiglu_into(y, gate, up);
  return y;
}

void swiglu_into(const tensor& y, const tensor& gate, const tensor& up) {
  expect_shape(up, gate.shape(), op, "up");
  expect_shape(y, gate.shape(), op, "y");
  expect_same_or_apart(y, gate, op, "y", "gate");
  expect_same_or_apart(y, up, op, "y", "up");
  const auto g = rows_to_read(gate), u = rows_to_read(up);
  const auto to = rows_to_write(y, op, "y");
  const auto kernel = elementwise_now().swiglu;
  for_spans(g.count, g.width, g.dense() && u.dense() && to.dense(), [&](long row, long first, long n) {
    kernel(to.row(row) + first, g.row(row) + first, u.row(row) + first, n);
  });
}

void swiglu_backward_into(const tensor& dgate, const tensor& dup, const tensor& dy, const tensor& gate,
                          const tensor& up, writing write) {
  expect_shape(up, gate.shape(), op, "up");
  expect_shape(dy, gate.shape(), op, "dy");
  expect_shape(dgate, gate.shape(), op, "dgate");
  expect_shape(dup, gate.shape(), op, "dup");
  expect_apart(dgate, dup, op, "dgate", "dup");
  expect_same_or_apart(dgate, dy, op, "dgate", "dy");
  expect_same_or_apart(dgate, gate, op, "dgate", "gate");
  expect_same_or_apart(dgate, up, op, "dgate", "up");
  expect_same_or_apart(dup, dy, op, "dup", "dy");
  expect_same_or_apart(dup, gate, op, "dup", "gate");
  expect_same_or_apart(dup, up, op, "dup", "up");
  const auto g = rows_to_read(gate), u = rows_to_read(up), d = rows_to_read(dy);
  const auto to_gate = rows_to_write(dgate, op, "dgate"), to_up = rows_to_write(dup, op, "dup");
  const auto kernel = elementwise_now().swiglu_backward;
  const bool dense = g.dense() && u.dense() && d.dense() && to_gate.dense() && to_up.dense();
  for_spans(g.count, g.width, dense, [&](long row, long first, long n) {
    kernel(to_gate.row(row) + first, to_up.row(row) + first, d.row(row) + first, g.row(row) + first, u.row(row) + first,
           n, write == writing::add);
  });
}

}  // namespace qkv
