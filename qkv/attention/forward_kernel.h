// What the forward kernel does: one block of queries of one head against its live key blocks.
#pragma once
#include "qkv/attention/plan.h"
#include "qkv/base/instruction_set.h"

namespace qkv {

/// One head's keys and values: packed, and as they were given.
struct packed_head {
  const float* keys;          ///< [key block][panel][D][tile_columns]
  const float* values;        ///< [key block][column panel][key_block][tile_columns]
  const unsigned char* finite;  ///< [key block]: no NaN, no infinity in it
  const float* raw_keys;      ///< strided, for blocks that are not finite
  long raw_key_stride;
  const float* raw_values;
  long raw_value_stride;
};

struct forward_work {
  const formula* rule;
  packed_head head;
  long key_block;             ///< keys in a block
  long depth, columns;        ///< D, E
  float scale;
  const float* sink;          ///< this head's, or null
  const float* queries;       ///< the block's first row
  long query_stride;
  tile where;                 ///< batch, head, row, rows, offset, all_rows, all_keys of the block
  const block_run* runs;
  long run_count;
  float* out;
  long out_stride;
  float* lse;
  long lse_stride;
  float* scratch;             ///< scratch_size(depth, columns) floats, aligned to 64
};

struct forward_kernel_table {
  int tile_rows, tile_columns;
  long (*scratch_size)(long depth, long columns);
  /// Packs one key block of `keys` rows; returns whether all of it is finite.
  bool (*pack_keys_values)(const float* k, long k_stride, const float* v, long v_stride, long keys, long key_block,
                           long depth, long columns, float* packed_keys, float* packed_values);
  void (*query_block)(const forward_work&);
};
QKV_KERNEL_TABLE(forward_kernel_table, forward_kernels)

inline constexpr long forward_query_side = 48;  ///< a multiple of every set's tile_rows
inline constexpr long forward_key_side = 256;   ///< the most keys in a block; a multiple of every set's tile_columns

}  // namespace qkv
