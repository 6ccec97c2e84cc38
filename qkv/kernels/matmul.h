// Kernels of the dense product C = A B: packing, one block of C, and a few rows against a matrix read in place.
//
// Sizes and letters:  M rows of C   N columns of C   K depth.
#pragma once
#include "qkv/base/instruction_set.h"
#include "qkv/kernels/activation.h"

namespace qkv {

/// What is done with the sums before they are written; null pointers and `none` leave a part out, in this order:
///   s = sum + bias;  before = s;  s = activate(s);  s = s * derivative of `through` at `at`;  c = s + residual
/// Pointers belong to C's first element; rows are `stride` apart.
struct product_epilogue {
  const float* bias = nullptr;
  float* before = nullptr;
  long before_stride = 0;
  activation activate = activation::none;
  activation through = activation::none;
  const float* at = nullptr;
  long at_stride = 0;
  const float* residual = nullptr;
  long residual_stride = 0;

  bool empty() const {
    return !bias && !before && activate == activation::none && through == activation::none && !residual;
  }
};

/// One block of C = A B.  B is packed: panels of `tile_columns` columns, each [K][tile_columns], zeros beyond N.
/// A is read in place with any strides, or packed in panels of `tile_rows` rows, each [K][tile_rows].
struct product_block {
  const float* a;
  long a_row_stride, a_depth_stride;  ///< of A in place; ignored when packed
  bool a_packed;
  const float* b;
  float* c;
  long c_stride;
  long rows, columns, depth;  ///< of this block; columns counts from a panel's first
  long depth_block;           ///< depth done at a time, so that a part of a panel stays in L1
  bool add;                   ///< the sums start at C instead of zero
  product_epilogue epilogue;  ///< its pointers belong to this block's first element
};

struct matmul_kernels {
  int tile_rows, tile_columns;
  /// Packs columns of B to panels of tile_columns, one panel after the other:
  /// panel[k][j] = b[k * depth_stride + j * column_stride], zeros beyond `columns`.
  void (*pack_columns)(const float* b, long depth_stride, long column_stride, long depth, long columns, float* panels);
  /// Packs rows of A to panels of tile_rows: panel[k][i] = a[i * row_stride + k * depth_stride], zeros beyond `rows`.
  void (*pack_rows)(const float* a, long row_stride, long depth_stride, long depth, long rows, float* panels);
  void (*multiply)(const product_block& block);
  /// c[m][n] = sum_k a[m][k] w[n][k] for few rows m: w is read in place, once.  The epilogue as above.
  void (*few_rows)(const float* a, long a_stride, const float* w, long w_stride, float* c, long c_stride, long rows,
                   long columns, long depth, bool add, const product_epilogue& epilogue);
};
QKV_KERNEL_TABLE(matmul_kernels, matmul)

}  // namespace qkv
