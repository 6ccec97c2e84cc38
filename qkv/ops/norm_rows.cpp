#include "qkv/ops/norm_rows.h"

#include <cstring>

#include "qkv/base/memory.h"
#include "qkv/ops/sum_rows.h"

namespace qkv {
namespace {

/// Statistics of N rows: what the caller has, when it is of the right size, else new.
float* statistics_of(tensor* t, long rows) {
  if (!t) return nullptr;
  if (t->empty() || t->shape() != shape{rows} || !t->contiguous()) *t = tensor::uninitialized({rows});
  return t->data<float>();
}

rows<const float> vector_of(const tensor& t, long width, const char* op, const char* name) {
  if (t.empty()) return {};
  expect_shape(t, {width}, op, name);
  return rows_to_read(t);
}

}  // namespace

void run_norm(const norm_inputs& in, void (*kernel)(const norm_forward&)) {
  if (in.x.empty() || in.x.rank() == 0) refuse(in.op, "x [..., D]", in.x.empty() ? "nothing" : "a scalar");
  const long width = in.x.dim(-1);
  expect_shape(in.y, in.x.shape(), in.op, "y");
  expect_same_or_apart(in.y, in.x, in.op, "y", "x"), expect_apart(in.y, in.weight, in.op, "y", "weight");
  expect_apart(in.y, in.bias, in.op, "y", "bias");
  const auto weight = vector_of(in.weight, width, in.op, "weight"), bias = vector_of(in.bias, width, in.op, "bias");
  const auto x = rows_to_read(in.x);
  const auto y = rows_to_write(in.y, in.op, "y");
  rows<const float> residual;
  rows<float> sum;
  if (!in.residual.empty()) {
    expect_shape(in.residual, in.x.shape(), in.op, "residual");
    expect_shape(in.sum, in.x.shape(), in.op, "sum");
    expect_same_or_apart(in.sum, in.x, in.op, "sum", "x");
    expect_same_or_apart(in.sum, in.residual, in.op, "sum", "residual");
    expect_apart(in.y, in.sum, in.op, "y", "sum"), expect_same_or_apart(in.y, in.residual, in.op, "y", "residual");
    residual = rows_to_read(in.residual);
    sum = rows_to_write(in.sum, in.op, "sum");
  }
  float* mean = statistics_of(in.mean, x.count);
  float* inverse = statistics_of(in.inverse, x.count);
  if (width == 0) return;
  for_rows(x.count, width, [&](long first, long count) {
    kernel({.x = x.row(first),
            .residual = residual.data ? residual.row(first) : nullptr,
            .sum = sum.data ? sum.row(first) : nullptr,
            .y = y.row(first),
            .x_stride = x.stride,
            .residual_stride = residual.stride,
            .sum_stride = sum.stride,
            .y_stride = y.stride,
            .weight = weight.data,
            .bias = bias.data,
            .mean = mean ? mean + first : nullptr,
            .inverse = inverse ? inverse + first : nullptr,
            .rows = count,
            .width = width,
            .epsilon = in.epsilon});
  });
}

void run_norm_backward(const norm_gradients& in, void (*kernel)(const norm_backward&)) {
  if (in.x.empty() || in.x.rank() == 0) refuse(in.op, "x [..., D]", in.x.empty() ? "nothing" : "a scalar");
  const long width = in.x.dim(-1), total = row_count(in.x);
  expect_shape(in.dy, in.x.shape(), in.op, "dy");
  const auto weight = vector_of(in.weight, width, in.op, "weight");
  const auto x = rows_to_read(in.x), dy = rows_to_read(in.dy);
  rows<float> dx, dweight, dbias;
  if (!in.dx.empty()) expect_shape(in.dx, in.x.shape(), in.op, "dx"), dx = rows_to_write(in.dx, in.op, "dx");
  expect_same_or_apart(in.dx, in.dy, in.op, "dx", "dy"), expect_apart(in.dx, in.weight, in.op, "dx", "weight");
  expect_same_or_apart(in.dx, in.x, in.op, "dx", "x");
  if (!in.dweight.empty())
    expect_shape(in.dweight, {width}, in.op, "dweight"), dweight = rows_to_write(in.dweight, in.op, "dweight");
  if (!in.dbias.empty())
    expect_shape(in.dbias, {width}, in.op, "dbias"), dbias = rows_to_write(in.dbias, in.op, "dbias");
  if (!in.mean.empty()) expect_shape(in.mean, {total}, in.op, "mean");
  expect_shape(in.inverse, {total}, in.op, "inverse");
  const auto mean = in.mean.empty() ? tensor() : in.mean.to_contiguous(), inverse = in.inverse.to_contiguous();
  if (width == 0 || total == 0) return;

  // Each block of rows has its own sums for the parameters; they are added in order afterwards.
  const long block = std::max(16l, rows_in_piece(width)), blocks = (total + block - 1) / block;
  const auto workspace = allocate_memory(std::size_t(2 * blocks * width) * sizeof(float));
  auto* to_weight = reinterpret_cast<float*>(workspace.get());
  float* to_bias = to_weight + blocks * width;
  parallel_for(blocks, [&](long item, int) {
    const long first = item * block;
    std::memset(to_weight + item * width, 0, std::size_t(width) * sizeof(float));
    std::memset(to_bias + item * width, 0, std::size_t(width) * sizeof(float));
    kernel({.dx = dx.data ? dx.row(first) : nullptr,
            .dweight = dweight.data ? to_weight + item * width : nullptr,
            .dbias = dbias.data ? to_bias + item * width : nullptr,
            .dy = dy.row(first),
            .x = x.row(first),
            .weight = weight.data,
            .mean = mean.empty() ? nullptr : mean.data<float>() + first,
            .inverse = inverse.data<float>() + first,
            .dx_stride = dx.stride,
            .dy_stride = dy.stride,
            .x_stride = x.stride,
            .rows = std::min(block, total - first),
            .width = width,
            .accumulate = in.write_dx == writing::add});
  });
  const auto partial = [&](const float* from) { return rows<const float>{{}, from, blocks, width, width}; };
  if (dweight.data) sum_rows(dweight.data, partial(to_weight), writing::add);
  if (dbias.data) sum_rows(dbias.data, partial(to_bias), writing::add);
}

}  // namespace qkv
