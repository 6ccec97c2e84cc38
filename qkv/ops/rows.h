// Tensors as rows for the kernels: leading axes flattened, last axis of unit stride.  Internal to this room.
#pragma once
#include <algorithm>
#include <string>

#include "qkv/base/threads.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// `count` rows of `width` numbers, `stride` apart.  Keeps the memory alive.
template <class T = float>
struct rows {
  tensor owner;
  T* data = nullptr;
  long count = 0, width = 0, stride = 0;
  T* row(long i) const { return data + i * stride; }
  bool dense() const { return stride == width || count <= 1; }
};

/// x [..., D] as rows with any stride along D, when its leading axes fall into one; else of a copy.
view<const float, 2> matrix_of(const tensor& x, tensor& copy);

/// x as rows to read; copied when its strides do not allow them.  A tensor without axes is one row of one number.
rows<const float> rows_to_read(const tensor& x);
/// y as rows to write.  @throws shape_error "op: expected y of unit stride in its last axis; found strides [1, 4]"
rows<float> rows_to_write(const tensor& y, const char* op, const char* name);

/// Throws shape_error "op: expected name [2, 3]; found [3, 2]" unless t has that shape.
void expect_shape(const tensor& t, const shape& expected, const char* op, const char* name);
/// Throws shape_error "op: expected x [..., 128]; found [2, 64]" unless t's last axis has that width.
void expect_width(const tensor& t, long width, const char* op, const char* name);
/// Throws shape_error "op: expected weight [O, I]; found ..." unless t has so many axes.
void expect_rank(const tensor& t, long rank, const char* op, const std::string& expected);

/// Throws shape_error "op: expected y in memory of its own; found memory of x" where the result's memory is also an
/// input's.  For ops that still read an input when they have begun to write.
void expect_apart(const tensor& result, const tensor& input, const char* op, const char* name, const char* of);

/// The same for ops that read a number, or a row, before they write it: an input's own memory will do, another part of
/// it will not.
void expect_same_or_apart(const tensor& result, const tensor& input, const char* op, const char* name, const char* of);

/// x's shape with another last size.
shape with_width(shape s, long width);
/// The product of all sizes but the last.
long row_count(const tensor& x);
/// All axes but the last.
shape leading(const tensor& x);

/// Numbers in a piece of work that is worth handing to a thread, for kernels that do little with each.
inline constexpr long piece_size = 16384;

/// Rows in one work item when a row has `width` numbers.
inline long rows_in_piece(long width) { return std::max(1l, piece_size / std::max(1l, width)); }

/// Calls work(first, count) for pieces of rows 0 .. total-1, on all threads.  Pieces depend on the shape alone.
template <class Work>
void for_rows(long total, long width, const Work& work) {
  const long piece = rows_in_piece(width);
  parallel_for((total + piece - 1) / piece,
               [&](long item, int) { work(item * piece, std::min(piece, total - item * piece)); });
}

/// Calls work(row, first, count) for pieces of rows, cutting long rows too; `dense` rows are taken as one long row 0.
template <class Work>
void for_spans(long total, long width, bool dense, const Work& work) {
  if (dense) width *= total, total = width > 0 ? 1 : 0;
  const long pieces = (width + piece_size - 1) / piece_size;
  if (pieces > 1) {
    parallel_for(total * pieces, [&](long item, int) {
      const long first = item % pieces * piece_size;
      work(item / pieces, first, std::min(piece_size, width - first));
    });
  } else {
    for_rows(total, width, [&](long first, long count) {
      for (long row = first; row < first + count; ++row) work(row, 0l, width);
    });
  }
}

}  // namespace qkv
