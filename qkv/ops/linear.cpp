#include "qkv/ops/linear.h"

#include "qkv/ops/product.h"
#include "qkv/ops/rows.h"
#include "qkv/ops/sum_rows.h"

namespace qkv {
namespace {

constexpr const char* op = "linear";

/// C's rows as the product's view.
view<float, 2> result_view(const rows<float>& y) { return {y.data, {y.count, y.width}, {y.stride, 1}}; }

/// The tensors of an epilogue as rows, kept alive while the product runs.
struct forward_epilogue {
  rows<float> before;
  rows<const float> bias, residual;

  forward_epilogue(const linear_epilogue& e, const shape& y, long width) {
    if (!e.bias.empty()) expect_shape(e.bias, {width}, op, "bias"), bias = rows_to_read(e.bias);
    if (!e.before.empty()) expect_shape(e.before, y, op, "before"), before = rows_to_write(e.before, op, "before");
    if (!e.residual.empty()) expect_shape(e.residual, y, op, "residual"), residual = rows_to_read(e.residual);
  }
  product_epilogue pointers(activation activate) const {
    return {.bias = bias.data,
            .before = before.data,
            .before_stride = before.stride,
            .activate = activate,
            .residual = residual.data,
            .residual_stride = residual.stride};
  }
};

/// y = x W^T for a weight as it is, or packed.
void forward(const tensor& y, const tensor& x, view<const float, 2> weight, const float* packed,
             const linear_epilogue& epilogue) {
  const auto [outputs, inputs] = weight.sizes;
  expect_width(x, inputs, op, "x");
  expect_shape(y, with_width(x.shape(), outputs), op, "y");
  expect_apart(y, x, op, "y", "x"), expect_apart(y, epilogue.bias, op, "y", "bias");
  expect_apart(y, epilogue.before, op, "y", "before"), expect_apart(epilogue.before, x, op, "before", "x");
  expect_apart(epilogue.before, epilogue.bias, op, "before", "bias");
  expect_apart(epilogue.before, epilogue.residual, op, "before", "residual");
  expect_same_or_apart(y, epilogue.residual, op, "y", "residual");
  const forward_epilogue parts(epilogue, y.shape(), outputs);
  const auto to = rows_to_write(y, op, "y");
  tensor copy;
  dense_product product{.a = matrix_of(x, copy),
                        .b = {weight.data, {inputs, outputs}, {weight.strides[1], weight.strides[0]}},
                        .c = result_view(to),
                        .epilogue = parts.pointers(epilogue.activate),
                        .packed_b = packed};
  // y += x W^T: the sums may as well start there, and then the depth can be cut into blocks.
  product.add = product.epilogue.residual == to.data && product.epilogue.residual_stride == to.stride &&
                epilogue.activate == activation::none && epilogue.before.empty();
  if (product.add) product.epilogue.residual = nullptr;
  run(product);
}

view<const float, 2> weight_view(const tensor& weight) {
  expect_rank(weight, 2, op, "weight [O, I]");
  return weight.view<const float, 2>();
}
view<const float, 2> weight_view(const packed_weight& weight) {
  return {nullptr, {weight.output_width(), weight.input_width()}, {weight.input_width(), 1}};
}

}  // namespace

tensor linear(const tensor& x, const tensor& weight, const linear_epilogue& epilogue) {
  const auto w = weight_view(weight);
  expect_width(x, w.sizes[1], op, "x");
  tensor y = tensor::uninitialized(with_width(x.shape(), w.sizes[0]));
  forward(y, x, w, nullptr, epilogue);
  return y;
}

tensor linear(const tensor& x, const packed_weight& weight, const linear_epilogue& epilogue) {
  expect_width(x, weight.input_width(), op, "x");
  tensor y = tensor::uninitialized(with_width(x.shape(), weight.output_width()));
  forward(y, x, weight_view(weight), weight.data(), epilogue);
  return y;
}

void linear_into(const tensor& y, const tensor& x, const tensor& weight, const linear_epilogue& epilogue) {
  expect_apart(y, weight, op, "y", "weight"), expect_apart(epilogue.before, weight, op, "before", "weight");
  forward(y, x, weight_view(weight), nullptr, epilogue);
}

void linear_into(const tensor& y, const tensor& x, const packed_weight& weight, const linear_epilogue& epilogue) {
  forward(y, x, weight_view(weight), weight.data(), epilogue);
}

tensor linear_backward_input(const tensor& dy, const tensor& weight, const linear_backward_epilogue& epilogue) {
  const auto w = weight_view(weight);
  expect_width(dy, w.sizes[0], op, "dy");
  tensor dx = epilogue.write == writing::add ? tensor(with_width(dy.shape(), w.sizes[1]))
                                             : tensor::uninitialized(with_width(dy.shape(), w.sizes[1]));
  linear_backward_input_into(dx, dy, weight, epilogue);
  return dx;
}

void linear_backward_input_into(const tensor& dx, const tensor& dy, const tensor& weight,
                                const linear_backward_epilogue& epilogue) {
  const auto w = weight_view(weight);
  expect_width(dy, w.sizes[0], op, "dy");
  expect_shape(dx, with_width(dy.shape(), w.sizes[1]), op, "dx");
  expect_apart(dx, dy, op, "dx", "dy"), expect_apart(dx, weight, op, "dx", "weight");
  expect_same_or_apart(dx, epilogue.before, op, "dx", "before");
  const auto to = rows_to_write(dx, op, "dx");
  tensor copy;
  dense_product product{.a = matrix_of(dy, copy), .b = w, .c = result_view(to)};
  const bool add = epilogue.write == writing::add;
  rows<const float> before;
  if (epilogue.through == activation::none) {
    product.add = add;
  } else {  // what was there is added after the multiplication by the derivative
    expect_shape(epilogue.before, dx.shape(), op, "before");
    before = rows_to_read(epilogue.before);
    product.epilogue = {.through = epilogue.through,
                        .at = before.data,
                        .at_stride = before.stride,
                        .residual = add ? to.data : nullptr,
                        .residual_stride = to.stride};
  }
  run(product);
}

void linear_backward_weight(const tensor& dweight, const tensor& dy, const tensor& x, writing write) {
  expect_rank(dweight, 2, op, "dweight [O, I]");
  expect_width(dy, dweight.dim(0), op, "dy");
  expect_shape(x, with_width(dy.shape(), dweight.dim(1)), op, "x");
  expect_apart(dweight, dy, op, "dweight", "dy"), expect_apart(dweight, x, op, "dweight", "x");
  const auto to = rows_to_write(dweight, op, "dweight");
  tensor copy_dy, copy_x;
  auto a = matrix_of(dy, copy_dy);
  std::swap(a.sizes[0], a.sizes[1]);
  std::swap(a.strides[0], a.strides[1]);
  run({.a = a, .b = matrix_of(x, copy_x), .c = result_view(to), .add = write == writing::add});
}

void linear_backward_bias(const tensor& dbias, const tensor& dy, writing write) {
  expect_rank(dbias, 1, op, "dbias [O]");
  expect_width(dy, dbias.dim(0), op, "dy");
  expect_apart(dbias, dy, op, "dbias", "dy");
  sum_rows(rows_to_write(dbias, op, "dbias").data, rows_to_read(dy), write);
}

}  // namespace qkv
