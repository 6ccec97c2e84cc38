// Kernels of a chunk's rows, for linear attention: factors of decay, scaled rows, triangles.  One thread, no
// allocation.
//
// Sizes and letters:  C rows (tokens) of a chunk   N columns
#pragma once
#include "qkv/base/instruction_set.h"

namespace qkv {

/// to[t][d] = factor * by_row[t] * by_element[t][d] * from[t][d]; null pointers leave a part out.  to may be from.
struct scaled_rows {
  float* to;
  long to_stride;
  const float* from;
  long from_stride;
  long rows, columns;
  float factor = 1;
  const float* by_row = nullptr;
  long by_row_stride = 0;
  const float* by_element = nullptr;  ///< rows are by_element_stride apart; 0: one row for all
  long by_element_stride = 0;
};

struct chunk_kernel_table {
  /// y = exp(factor * x); y may be x.
  void (*exponentials)(float* y, const float* x, float factor, long n);
  void (*scale_rows)(const scaled_rows&);
  /// to += x * y (or -= with factor -1), element by element.
  void (*add_products)(float* to, const float* x, const float* y, float factor, long n);
  /// sums[t] = sum over d of x[t][d] * y[t][d]; rows are `columns` long and dense.
  void (*row_products)(float* sums, const float* x, const float* y, long rows, long columns);
  /// Writes 0 above the diagonal of a [C, C], or on it too, whatever stands there.
  void (*keep_below)(float* a, long rows, bool diagonal);
  /// w = (I - a)^-1 w for a [C, C] below the diagonal, w [C, N] dense.
  void (*solve)(const float* a, float* w, long rows, long columns);
  /// w = (I - a)^-T w.
  void (*solve_transposed)(const float* a, float* w, long rows, long columns);
};
QKV_KERNEL_TABLE(chunk_kernel_table, chunk_kernels)

}  // namespace qkv
