#include "qkv/ops/add.h"

#include "qkv/kernels/elementwise.h"
#include "qkv/ops/rows.h"
#include "qkv/ops/sum_rows.h"

namespace qkv {
namespace {

constexpr const char* op = "add";

/// True when b's sizes are a's last ones.
bool ends_with(const shape& a, const shape& b) {
  return b.size() <= a.size() && std::equal(b.rbegin(), b.rend(), a.rbegin());
}

void expect_last_axes(const tensor& b, const shape& a) {
  if (b.empty() || !ends_with(a, b.shape()))
    refuse(op, "b " + to_string(a) + " or its last axes", b.empty() ? "nothing" : to_string(b.shape()));
}

}  // namespace

tensor add(const tensor& a, const tensor& b) {
  tensor y = tensor::uninitialized(a.shape());
  add_into(y, a, b);
  return y;
}

void add_into(const tensor& y, const tensor& a, const tensor& b) {
  expect_last_axes(b, a.shape());
  expect_shape(y, a.shape(), op, "y");
  expect_same_or_apart(y, a, op, "y", "a");
  expect_same_or_apart(y, b, op, "y", "b");
  const auto left = rows_to_read(a), right = rows_to_read(b);
  const auto to = rows_to_write(y, op, "y");
  const auto kernel = elementwise_now().add;
  if (right.count == left.count && right.width == left.width) {
    const bool dense = left.dense() && right.dense() && to.dense();
    for_spans(left.count, left.width, dense, [&](long row, long first, long n) {
      kernel(to.row(row) + first, left.row(row) + first, right.row(row) + first, n);
    });
  } else if (b.rank() == 0) {
    const float number = right.data[0];
    for_rows(left.count, left.width, [&](long first, long count) {
      for (long i = first; i < first + count; ++i)
        for (long j = 0; j < left.width; ++j) to.row(i)[j] = left.row(i)[j] + number;
    });
  } else {
    for_rows(left.count, left.width, [&](long first, long count) {
      for (long i = first; i < first + count; ++i)
        kernel(to.row(i), left.row(i), right.row(i % right.count), left.width);
    });
  }
}

void add_backward_into(const tensor& db, const tensor& dy, writing write) {
  if (db.empty() || !ends_with(dy.shape(), db.shape()))
    refuse(op, "db with the last axes of " + to_string(dy.shape()), db.empty() ? "nothing" : to_string(db.shape()));
  if (!db.contiguous()) refuse(op, "a contiguous db", "strides " + to_string(db.strides()));
  if (db.size() == 0) return;
  // One long row for every repetition.
  const long repeated = db.size(), times = dy.size() / repeated;
  const auto flat = rows_to_read(dy.to_contiguous().reshape({times, repeated}));
  sum_rows(db.data<float>(), flat, write);
}

}  // namespace qkv
