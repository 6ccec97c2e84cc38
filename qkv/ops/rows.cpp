#include "qkv/ops/rows.h"

#include "qkv/tensor/overlap.h"

namespace qkv {
namespace {

/// The distance between rows when the axes before the last fall into one; false when they do not.
bool leading_stride(const tensor& x, long& stride) {
  stride = 0;
  long next = -1;  // the stride that the axis to the left must have
  for (long axis = x.rank() - 2; axis >= 0; --axis) {
    const long size = x.shape()[std::size_t(axis)], step = x.strides()[std::size_t(axis)];
    if (size == 0) return true;
    if (size == 1) continue;
    if (next < 0)
      stride = step;
    else if (step != next)
      return false;
    next = step * size;
  }
  return true;
}

struct flattened {
  long count, width, row_stride, column_stride;
};
bool flatten(const tensor& x, flattened& f) {
  f.count = row_count(x);
  f.width = x.rank() == 0 ? 1 : x.dim(-1);
  f.column_stride = x.rank() == 0 || f.width <= 1 ? 1 : x.strides().back();
  if (!leading_stride(x, f.row_stride)) return false;
  if (f.count <= 1 && f.column_stride == 1) f.row_stride = f.width;
  return true;
}

}  // namespace

view<const float, 2> matrix_of(const tensor& x, tensor& copy) {
  flattened f{};
  copy = x;
  if (!flatten(x, f)) {
    copy = x.to_contiguous();
    flatten(copy, f);
  }
  return {copy.data<float>(), {f.count, f.width}, {f.row_stride, f.column_stride}};
}

rows<const float> rows_to_read(const tensor& x) {
  flattened f{};
  tensor t = x;
  if (!flatten(t, f) || f.column_stride != 1) {
    t = x.to_contiguous();
    flatten(t, f);
  }
  return {t, t.data<float>(), f.count, f.width, f.row_stride};
}

rows<float> rows_to_write(const tensor& y, const char* op, const char* name) {
  flattened f{};
  if (!flatten(y, f) || f.column_stride != 1)
    refuse(op, std::string(name) + " with evenly spaced rows and unit stride in its last axis",
           "strides " + to_string(y.strides()));
  return {y, y.data<float>(), f.count, f.width, f.row_stride};
}

void expect_shape(const tensor& t, const shape& expected, const char* op, const char* name) {
  if (t.empty() || t.shape() != expected)
    refuse(op, std::string(name) + " " + to_string(expected), t.empty() ? "nothing" : to_string(t.shape()));
}

void expect_width(const tensor& t, long width, const char* op, const char* name) {
  if (t.empty() || t.rank() == 0 || t.dim(-1) != width)
    refuse(op, std::string(name) + " [..., " + std::to_string(width) + "]",
           t.empty() ? "nothing" : to_string(t.shape()));
}

void expect_rank(const tensor& t, long rank, const char* op, const std::string& expected) {
  if (t.empty() || t.rank() != rank) refuse(op, expected, t.empty() ? "nothing" : to_string(t.shape()));
}

void expect_apart(const tensor& result, const tensor& input, const char* op, const char* name, const char* of) {
  if (overlap(result, input)) refuse(op, std::string(name) + " in memory of its own", std::string("memory of ") + of);
}

void expect_same_or_apart(const tensor& result, const tensor& input, const char* op, const char* name, const char* of) {
  if (!same_places(result, input)) expect_apart(result, input, op, name, of);
}

shape with_width(shape s, long width) {
  if (s.empty()) s.push_back(width);
  s.back() = width;
  return s;
}

long row_count(const tensor& x) {
  long n = 1;
  for (long axis = 0; axis + 1 < x.rank(); ++axis) n *= x.shape()[std::size_t(axis)];
  return n;
}

shape leading(const tensor& x) {
  shape s = x.shape();
  if (!s.empty()) s.pop_back();
  return s;
}

}  // namespace qkv
