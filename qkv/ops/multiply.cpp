#include "qkv/ops/multiply.h"

#include "qkv/kernels/elementwise.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "multiply";

void product_into(const tensor& y, const tensor& a, const tensor& b, writing write) {
  const auto left = rows_to_read(a), right = rows_to_read(b);
  const auto to = rows_to_write(y, op, "y");
  const auto kernel = elementwise_now().multiply;
  const bool dense = left.dense() && right.dense() && to.dense();
  for_spans(left.count, left.width, dense, [&](long row, long first, long n) {
    kernel(to.row(row) + first, left.row(row) + first, right.row(row) + first, n, write == writing::add);
  });
}

}  // namespace

tensor multiply(const tensor& a, const tensor& b) {
  expect_shape(b, a.shape(), op, "b");
  tensor y = tensor::uninitialized(a.shape());
  product_into(y, a, b, writing::replace);
  return y;
}

void multiply_into(const tensor& y, const tensor& a, const tensor& b) {
  expect_shape(b, a.shape(), op, "b");
  expect_shape(y, a.shape(), op, "y");
  expect_same_or_apart(y, a, op, "y", "a");
  expect_same_or_apart(y, b, op, "y", "b");
  product_into(y, a, b, writing::replace);
}

void multiply_backward_into(const tensor& da, const tensor& db, const tensor& dy, const tensor& a, const tensor& b,
                            writing write) {
  expect_shape(b, a.shape(), op, "b");
  expect_shape(dy, a.shape(), op, "dy");
  if (!da.empty()) expect_shape(da, a.shape(), op, "da");
  if (!db.empty()) expect_shape(db, a.shape(), op, "db");
  expect_same_or_apart(da, dy, op, "da", "dy");
  expect_same_or_apart(da, b, op, "da", "b");
  expect_same_or_apart(db, dy, op, "db", "dy");
  expect_same_or_apart(db, a, op, "db", "a");
  if (!da.empty() && !db.empty())  // db is made when da has been
    expect_apart(da, dy, op, "da", "dy"), expect_apart(da, a, op, "da", "a");
  if (write == writing::replace) expect_apart(da, db, op, "da", "db");  // sums may be added to one gradient
  if (!da.empty()) product_into(da, dy, b, write);
  if (!db.empty()) product_into(db, dy, a, write);
}

}  // namespace qkv
