#include "qkv/ops/matmul.h"

#include "qkv/ops/product.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "matmul";

/// The matrix at one index of the leading axes.
view<float, 2> matrix_at(const tensor& t, long index) {
  const auto rank = std::size_t(t.rank());
  long offset = 0;
  for (std::size_t axis = rank - 2; axis-- > 0;) {
    offset += index % t.shape()[axis] * t.strides()[axis];
    index /= t.shape()[axis];
  }
  return {t.data<float>() + offset,
          {t.shape()[rank - 2], t.shape()[rank - 1]},
          {t.strides()[rank - 2], t.strides()[rank - 1]}};
}

/// The shape of a b.  Throws when they do not fit together.
shape shape_of_product(const tensor& a, const tensor& b) {
  if (a.empty() || a.rank() < 2) refuse(op, "a [..., M, K]", a.empty() ? "nothing" : to_string(a.shape()));
  shape expected = a.shape();
  expected[expected.size() - 2] = expected.back();
  if (!b.empty() && b.rank() == a.rank()) expected.back() = b.dim(-1);
  if (b.empty() || b.shape() != expected) {
    std::string text = to_string(expected);
    text.replace(text.rfind(' ') + 1, std::string::npos, "N]");
    refuse(op, "b " + text, b.empty() ? "nothing" : to_string(b.shape()));
  }
  shape c = a.shape();
  c.back() = b.dim(-1);
  return c;
}

tensor transposed(const tensor& t) { return t.transpose(-1, -2); }

}  // namespace

tensor matmul(const tensor& a, const tensor& b) {
  tensor c = tensor::uninitialized(shape_of_product(a, b));
  matmul_into(c, a, b);
  return c;
}

void matmul_into(const tensor& c, const tensor& a, const tensor& b, writing write) {
  const shape expected = shape_of_product(a, b);
  expect_shape(c, expected, op, "c");
  if (c.size() == 0) return;
  if (c.dim(-1) > 1 && c.strides().back() != 1)
    refuse(op, "c of unit stride in its last axis", "strides " + to_string(c.strides()));
  expect_apart(c, a, op, "c", "a"), expect_apart(c, b, op, "c", "b");
  const long matrices = c.size() / (c.dim(-1) * c.dim(-2));
  for (long i = 0; i < matrices; ++i)
    run({.a = matrix_at(a, i), .b = matrix_at(b, i), .c = matrix_at(c, i), .add = write == writing::add});
}

void matmul_backward_into(const tensor& da, const tensor& db, const tensor& dc, const tensor& a, const tensor& b,
                          writing write) {
  expect_shape(dc, shape_of_product(a, b), op, "dc");
  if (!da.empty() && !db.empty()) expect_apart(da, a, op, "da", "a");
  if (write == writing::replace) expect_apart(da, db, op, "da", "db");  // sums may be added to one gradient
  if (!da.empty()) matmul_into(da, dc, transposed(b), write);
  if (!db.empty()) matmul_into(db, transposed(a), dc, write);
}

}  // namespace qkv
