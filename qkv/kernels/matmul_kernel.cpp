// One block of a dense product.  Order of loops, outermost first: depth blocks, panels of B, tiles of rows: a panel's
// part of one depth block stays in L1 while A's rows, from L2, pass by (Goto & van de Geijn 2008).
// Sums continue from C between depth blocks, so the bits do not depend on how the depth is cut.
#include "qkv/kernels/matmul.h"

#include "qkv/kernels/few_rows.h"
#include "qkv/kernels/pack.h"
#include "qkv/kernels/product_epilogue.h"
#include "qkv/kernels/tile_product.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

/// One tile within one depth block.
struct tile_place {
  const float* a;
  const float* b;
  float* c;
  long row, column;     ///< of the tile within the block
  long columns, depth;  ///< columns below tile_columns at the right edge
  bool from_c, last;    ///< sums start at C; sums are complete afterwards
};

/// Asks for the lines of one operand of a tile.  They arrive while the product runs; the processor does not foresee
/// accesses of a few columns in each of many rows.
template <int Rows>
[[gnu::always_inline]] inline void prefetch(const float* p, long stride) {
  if (!p) return;
  for (int i = 0; i < Rows; ++i) __builtin_prefetch(p + i * stride), __builtin_prefetch(p + i * stride + width);
}

/// The same for everything that the tile's end reads and writes.
template <int Rows>
[[gnu::always_inline]] inline void prefetch_end(const product_block& block, const tile_place& t) {
  if (!t.from_c) prefetch<Rows>(t.c, block.c_stride);
  if (!t.last || block.epilogue.empty()) return;
  const product_epilogue e = at_element(block.epilogue, t.row, t.column);
  prefetch<Rows>(e.before, e.before_stride);
  prefetch<Rows>(e.at, e.at_stride);
  prefetch<Rows>(e.residual, e.residual_stride);
}

template <int Rows>
[[gnu::always_inline]] inline void start(tile_sums_of<Rows>& sums, const product_block& block, const tile_place& t) {
  if (!t.from_c) return sums.fill(0.f);
  if (t.columns == tile_columns) return sums.load_from(t.c, block.c_stride);
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    const float* c = t.c + i * block.c_stride;
    sums.at[i][0] = load_part(c, t.columns);
    sums.at[i][1] = t.columns > width ? load_part(c + width, t.columns - width) : lanes<float>(0.f);
  }
}

template <int Rows>
[[gnu::always_inline]] inline void end(const tile_sums_of<Rows>& sums, const product_block& block,
                                       const tile_place& t) {
  const bool plain = !t.last || block.epilogue.empty();
  if (plain && t.columns == tile_columns) return sums.store_to(t.c, block.c_stride);
  alignas(64) float scratch[Rows * tile_columns];
  sums.store_to(scratch, tile_columns);
  const auto epilogue = plain ? product_epilogue{} : at_element(block.epilogue, t.row, t.column);
  finish(scratch, tile_columns, t.c, block.c_stride, Rows, t.columns, epilogue);
}

/// A's strides; constants make shorter loops.
struct packed_rows {
  static constexpr long row = 1, depth = tile_rows;
};
struct rows_in_place {
  long row;
  static constexpr long depth = 1;
};
struct columns_in_place {
  static constexpr long row = 1;
  long depth;
};
struct any_strides {
  long row, depth;
};

template <int Rows, class Strides>
void tile(const product_block& block, const Strides strides, const tile_place& t) {
  tile_sums_of<Rows> sums;
  prefetch_end<Rows>(block, t);
  start(sums, block, t);
  sums.add_product(t.a, strides.row, strides.depth, t.b, t.depth);
  end(sums, block, t);
}

/// The rows left at the lower edge.
template <int Rows = tile_rows - 1>
void edge_tile(const product_block& block, any_strides strides, const tile_place& t, long rows) {
  if constexpr (Rows > 0) {
    if (rows == Rows) return tile<Rows>(block, strides, t);
    edge_tile<Rows - 1>(block, strides, t, rows);
  }
}

/// Asks for the part of B that comes next, a share with every tile of rows, so that it waits in L2 when its turn comes.
struct prefetcher {
  const char* next;
  long lines_a_tile;
  prefetcher(const float* from, long floats, long tiles)
      : next(reinterpret_cast<const char*>(from)), lines_a_tile(floats * 4 / 64 / (tiles > 0 ? tiles : 1) + 1) {}
  [[gnu::always_inline]] void share() {
    for (long i = 0; i < lines_a_tile; ++i) __builtin_prefetch(next + i * 64, 0, 2);
    next += lines_a_tile * 64;
  }
};

/// All tiles of one panel within one depth block; `next_b` is what will be read after it.
template <class Strides>
void panel_product(const product_block& block, const Strides strides, tile_place t, const float* next_b) {
  prefetcher following(next_b, t.depth * tile_columns, block.rows / tile_rows);
  const any_strides any{strides.row, strides.depth};
  const long tile_stride = block.a_packed ? block.depth * tile_rows : any.row * tile_rows;
  for (t.row = 0; t.row + tile_rows <= block.rows; t.row += tile_rows) {
    following.share();
    tile<tile_rows>(block, strides, t);
    t.a += tile_stride;
    t.c += tile_rows * block.c_stride;
  }
  if (t.row < block.rows) edge_tile(block, any, t, block.rows - t.row);
}

template <class Strides>
void block_product(const product_block& block, const Strides strides) {
  const long panel_size = block.depth * tile_columns;
  long k = 0;
  do {  // once for depth 0 too: C must still be written
    const long depth = block.depth - k < block.depth_block ? block.depth - k : block.depth_block;
    for (long n = 0; n < block.columns; n += tile_columns) {
      const float* b = block.b + n * block.depth + k * tile_columns;
      const bool last_panel = n + tile_columns >= block.columns;
      panel_product(block, strides,
                    {.a = block.a + k * strides.depth,
                     .b = b,
                     .c = block.c + n,
                     .row = 0,
                     .column = n,
                     .columns = last_panel ? block.columns - n : tile_columns,
                     .depth = depth,
                     .from_c = block.add || k > 0,
                     .last = k + depth == block.depth},
                    last_panel ? block.b + (k + depth) * tile_columns : b + panel_size);
    }
    k += depth;
  } while (k < block.depth);
}

void multiply(const product_block& block) {
  if (block.a_packed) return block_product(block, packed_rows{});
  if (block.a_depth_stride == 1) return block_product(block, rows_in_place{block.a_row_stride});
  if (block.a_row_stride == 1) return block_product(block, columns_in_place{block.a_depth_stride});
  block_product(block, any_strides{block.a_row_stride, block.a_depth_stride});
}

}  // namespace

extern const matmul_kernels matmul = {tile_rows, tile_columns, pack_columns, pack_rows, multiply, few_rows};

}  // namespace qkv::QKV_INSTRUCTION_SET
