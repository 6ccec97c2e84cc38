// What the forward kernel does: one block of queries of one head against its live key blocks.
#pragma once
#include "qkv/attention/plan.h"
#include "qkv/base/instruction_set.h"

namespace qkv {

/// What a key block's numbers are like: NaN or infinity among them; all finite; values neither huge nor all tiny.
enum class value_sizes : unsigned char { not_finite, extreme, ordinary };

/// One head's keys and values: packed, and as they were given.
struct packed_head {
  const float* keys;          ///< [key block][panel][D][tile_columns]
  const float* values;        ///< [key block][column panel][key_block][tile_columns]
  const value_sizes* sizes;   ///< [key block]
  const float* raw_keys;      ///< strided, for blocks that are not finite
  long raw_key_stride;
};

/// One head's keys or values as they are stored in fewer bytes, or not.
struct narrow_rows {
  enum { float32, bfloat16, int8 } type;
  const void* first;
  long stride;          ///< in elements
  const float* scales;  ///< of int8
  long scale_stride;
};

/// One head whose key blocks are converted one at a time, when their turn comes; packed_head shows the one at hand.
struct narrow_head {
  narrow_rows k, v;
  bool unit_keys;         ///< keys are divided by their lengths
  float *keys, *values;   ///< one block, packed
  value_sizes* sizes;     ///< its
  float* rows;            ///< tile_columns rows, unpacked
};

inline constexpr long narrow_together = 8;  ///< query blocks that share a conversion

/// Which links of a row top-k keeps: scores above an order (row_level.h), and those at it up to a key.
struct row_cut {
  std::int32_t order, key;
};

struct forward_work {
  const formula* rule;
  packed_head head;
  const narrow_head* narrow;  ///< or null
  long key_block;             ///< keys in a block
  long depth, columns;        ///< D, E
  float scale;
  const float* sink;          ///< this head's, or null
  const float* queries;       ///< the block's first row
  long query_stride;
  const float* query_squares; ///< |q|^2 of the block's rows, for a distance
  const float* key_squares;   ///< |k|^2 of the head's keys
  float unit_reach, least_reach;  ///< where the activation reaches 1, and 1 / all scores of a row (threshold.h)
  tile where;                 ///< batch, head, row, rows, offset, all_rows, all_keys of the block
  const block_run* runs;
  long run_count;
  float* out;                 ///< null: only the cuts are wanted
  long out_stride;
  float* lse;
  long lse_stride;
  row_cut* cuts;              ///< of the block's rows, or null
  float* scratch;             ///< scratch_size(depth, columns, blocks) floats, aligned to 64
};

struct forward_kernel_table {
  int tile_rows, tile_columns;
  /// blocks: the most live key blocks of one query block where rows are weighed as a whole, else 1.
  long (*scratch_size)(long depth, long columns, long blocks);
  /// Packs one key block of `keys` rows.
  value_sizes (*pack_keys_values)(const float* k, long k_stride, const float* v, long v_stride, long keys,
                                  long key_block, long depth, long columns, float* packed_keys,
                                  float* packed_values);
  void (*query_block)(const forward_work&);
  /// Up to narrow_together query blocks of one narrow head; a key block is converted when the first of them comes to
  /// it.
  void (*narrow_query_blocks)(const forward_work*, long count);
};
QKV_KERNEL_TABLE(forward_kernel_table, forward_kernels)

inline constexpr long forward_query_side = 48;  ///< a multiple of every set's tile_rows
inline constexpr long forward_key_side = 256;   ///< the most keys in a block; a multiple of every set's tile_columns
/// The blocks that a forward pass is cut into: as many keys as stay, packed with their values, within about half of a
/// 256 KiB second-level cache, and no more than the longest sequence needs.
block_sides forward_sides(const problem&);

/// Whether a row's weights wait for all of its scores: the level is searched for, or only the best links count.
inline bool needs_whole_rows(const formula& f) {
  return f.row().keep > 0 || (f.sum_to_one() == normalised::yes && f.closed_form() != closed::exponential);
}
/// Whether raw scores are written down before they are weighed.  Softmax of dot products or distances needs no such pass.
inline bool stores_scores(const formula& f) {
  return f.scores() || f.row().blind || needs_whole_rows(f) || f.sum_to_one() != normalised::yes ||
         f.similarity_form() == form::pairwise;
}

}  // namespace qkv
