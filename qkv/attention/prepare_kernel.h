// Rows of queries or keys, brought into the form that a similarity compares.
#pragma once
#include "qkv/base/instruction_set.h"

namespace qkv {

/// Rows `stride` floats apart; results are dense, [rows, depth].
struct prepared_rows {
  const float* from;
  long stride;
  long rows, depth;
  float* to;
};

struct prepare_kernel_table {
  int tile_columns;
  /// Each row divided by its length; a row of zeros stays so.
  void (*unit)(const prepared_rows&);
  /// du in place: dx = (du - u (u . du)) / |x|, 0 where |x| is 0.
  void (*unit_backward)(const prepared_rows& x_and_u, float* du, long du_stride);
  /// Each row less the centre [depth], and its squared length.
  void (*centred)(const prepared_rows&, const float* centre, float* squares);
  /// rows * matrix, with a matrix [depth, depth] packed by pack_matrix.  `to` may be `from` (stride depth).
  void (*project)(const prepared_rows&, const float* packed, float* scratch);
  /// packed [column panel][depth][tile_columns] of a matrix, or of its transpose.
  void (*pack_matrix)(const float* matrix, long depth, bool transposed, float* packed);
  /// gradient[d, c] += sum over rows of x[row, d] * dy[row, c], for the tile_columns columns c from `column`.
  void (*matrix_gradient)(const float* x, long x_stride, const float* dy, long dy_stride, long rows, long depth,
                          long column, float* gradient);
};
QKV_KERNEL_TABLE(prepare_kernel_table, prepare_kernels)

}  // namespace qkv
