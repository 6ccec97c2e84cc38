// The dense product behind linear, matmul and their derivatives: C = A B on views with any strides.
// Internal to this room.
#pragma once
#include "qkv/kernels/matmul.h"
#include "qkv/tensor/view.h"

namespace qkv {

/// C [M, N] = A [M, K] B [K, N], or C += A B, then the epilogue.  C has unit stride in N.
struct dense_product {
  view<const float, 2> a, b;
  view<float, 2> c;
  bool add = false;
  product_epilogue epilogue = {};
  const float* packed_b = nullptr;  ///< all of B in panels, when it was packed before; b.data is not read then
};
void run(const dense_product& product);

/// How the work is cut up: a pure function of the shape, the tile and the caches, never of the threads.
struct product_plan {
  bool few_rows;  ///< B is read in place, line by line
  bool pack_a;
  long block_rows;     ///< of C in one work item, whole tiles
  long block_columns;  ///< whole panels
  long depth_block;    ///< depth done at a time
};
product_plan plan_of(const dense_product& product, int tile_rows, int tile_columns);

}  // namespace qkv
