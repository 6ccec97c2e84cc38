#include "qkv/ops/rotary.h"

#include <cmath>

#include "qkv/kernels/rotary.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "rotary";

void check(const tensor& y, const tensor& x, const rotary_table& table, long first) {
  expect_rank(x, 4, op, "x [B, T, H, D]");
  expect_shape(y, x.shape(), op, "y");
  expect_same_or_apart(y, x, op, "y", "x");
  expect_rank(table.cosine, 2, op, "a table [length, D / 2]");
  const long width = 2 * table.cosine.dim(1), length = table.cosine.dim(0);
  expect_width(x, width, op, "x");
  if (first < 0) refuse(op, "a first position of at least 0", std::to_string(first));
  if (first > length || x.dim(1) > length - first)  // first + T may be no number
    refuse(op, "positions below " + std::to_string(length), std::to_string(first > length ? first : first + x.dim(1)));
  for (const tensor& t : {x, y})
    if (t.dim(-1) > 1 && t.strides().back() != 1)
      refuse(op, "unit stride in the last axis", "strides " + to_string(t.strides()));
}

void turn(const tensor& y, const tensor& x, const rotary_table& table, long first, rotary_layout layout,
          float direction) {
  check(y, x, table, first);
  const auto from = x.view<const float, 4>();
  const auto to = y.view<float, 4>();
  const auto [sequences, positions, heads, width] = from.sizes;
  const float* cosine = table.cosine.data<float>();
  const float* sine = table.sine.data<float>();
  const auto& kernels = rotary_rows_now();
  const auto kernel = layout == rotary_layout::half_split ? kernels.half_split : kernels.interleaved;
  const long half = width / 2, per_sequence = positions, all_heads = heads;
  for_rows(sequences * positions, heads * width, [&](long start, long count) {
    for (long i = start; i < start + count; ++i) {
      const long b = i / per_sequence, t = i % per_sequence, angle = (first + t) * half;
      for (long h = 0; h < all_heads; ++h)
        kernel(&to(b, t, h, 0), &from(b, t, h, 0), cosine + angle, sine + angle, direction, half);
    }
  });
}

}  // namespace

rotary_table make_rotary_table(long length, long width, double base) {
  if (width % 2 != 0 || width < 0) refuse(op, "an even width", std::to_string(width));
  if (!(base > 0 && std::isfinite(base))) refuse(op, "a base above 0", std::to_string(base));
  const long half = width / 2;
  rotary_table table{tensor::uninitialized({length, half}), tensor::uninitialized({length, half})};
  for (long t = 0; t < length; ++t)
    for (long p = 0; p < half; ++p) {
      const double angle = double(t) * std::pow(base, -2.0 * double(p) / double(width));
      table.cosine.at<float>(t, p) = float(std::cos(angle));
      table.sine.at<float>(t, p) = float(std::sin(angle));
    }
  return table;
}

tensor rotary(const tensor& x, const rotary_table& table, long first, rotary_layout layout) {
  tensor y = tensor::uninitialized(x.shape());
  rotary_into(y, x, table, first, layout);
  return y;
}

void rotary_into(const tensor& y, const tensor& x, const rotary_table& table, long first, rotary_layout layout) {
  turn(y, x, table, first, layout, 1);
}

void rotary_backward_into(const tensor& dx, const tensor& dy, const rotary_table& table, long first,
                          rotary_layout layout) {
  turn(dx, dy, table, first, layout, -1);
}

}  // namespace qkv
