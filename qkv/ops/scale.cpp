#include "qkv/ops/scale.h"

#include "qkv/kernels/elementwise.h"
#include "qkv/ops/rows.h"

namespace qkv {

tensor scaled(const tensor& x, float factor) {
  tensor y = tensor::uninitialized(x.shape());
  scale_into(y, x, factor);
  return y;
}

void scale_into(const tensor& y, const tensor& x, float factor, writing write) {
  expect_shape(y, x.shape(), "scale", "y");
  expect_same_or_apart(y, x, "scale", "y", "x");
  const auto from = rows_to_read(x);
  const auto to = rows_to_write(y, "scale", "y");
  const auto kernel = elementwise_now().scale;
  for_spans(from.count, from.width, from.dense() && to.dense(), [&](long row, long first, long n) {
    kernel(to.row(row) + first, from.row(row) + first, factor, n, write == writing::add);
  });
}

}  // namespace qkv
