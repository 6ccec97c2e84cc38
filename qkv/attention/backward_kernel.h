// What the backward kernel does: one block of keys of one key head against the live query blocks of its query heads.
#pragma once
#include "qkv/attention/forward_kernel.h"

namespace qkv {

inline constexpr long backward_side = 96;  ///< queries and keys in a block; a multiple of every set's tile sides

/// Whether the backward pass needs raw scores beside weights.
inline bool stores_scores_again(const formula& f) { return stores_scores(f) || f.dropout().rate > 0; }
/// Whether delta is the mean weighted by slopes, which a walk of its own sums up.
inline bool needs_means(const formula& f) {
  return f.sum_to_one() == normalised::yes && f.closed_form() != closed::exponential;
}

/// One query head, packed once for all key blocks.  A query block takes `side` rows of each array.
struct packed_queries {
  long side;           ///< backward_side, or less where a head has one shorter block; a multiple of tile_rows
  float* q_tiles;      ///< [panel][D][tile_rows]; dot products times scale (and log2(e) where scores are not stored)
  float* q_rows;       ///< [query block][column panel][side][tile_columns]
  float* d_tiles;      ///< dout, [panel][E][tile_rows]
  float* d_rows;       ///< dout, [query block][column panel][side][tile_columns]
  float* lse;          ///< the row's level; for softmax in units of log 2, +infinity for a row without a link
  float* lse_rest;     ///< what fp32 cut off it; for a level that was searched for, found from weight_total
  float* delta;        ///< dout . out, or the mean of dout . v weighted by slopes, or 0
  float* squares;      ///< -scale |q|^2, for a distance
  float* slope_dp;     ///< this partition's sums of slopes times dout . v, of slopes, and of weights
  float* slope_total;
  float* weight_total;
  unsigned char* finite;  ///< [query block]
  float* dq;           ///< this partition's, [panel][column panel][tile_rows][tile_columns]
  const live_list* live;  ///< query blocks of every key block
  long head;           ///< number of the query head
  const row_cut* cuts;  ///< of the head's rows, or null
};

struct backward_work {
  const formula* rule;
  long depth, columns;  ///< D, E
  float scale;
  bool means;           ///< only slope_dp and slope_total are wanted
  float unit_reach;     ///< threshold.h
  const float* key_squares;  ///< |k|^2 of the sequence's keys, for a distance
  const packed_queries* heads;  ///< the query heads that read this key head
  long head_count;
  long key_block;       ///< number of the block
  const float* k;       ///< the sequence's first key
  long k_stride;
  const float* v;
  long v_stride;
  float* dk;
  long dk_stride;
  float* dv;
  long dv_stride;
  tile where;           ///< batch, offset, all_rows, all_keys of the sequence
  std::span<float* const> gradients;  ///< of learned parameters, added to
  float* scratch;       ///< scratch_size(depth, columns) floats, aligned to 64
};

/// One query block to pack.
struct packing_work {
  const formula* rule;
  long depth, columns;
  float scale;
  long block, rows;
  const float* q;       ///< the block's first row
  long q_stride;
  const float* out;
  long out_stride;
  const float* dout;
  long dout_stride;
  const float* lse;
  long lse_stride;
  const float* query_squares;
  packed_queries to;
};

struct backward_kernel_table {
  int tile_rows, tile_columns;
  long (*scratch_size)(long depth, long columns);
  void (*pack_queries)(const packing_work&);
  void (*key_block)(const backward_work&);
  /// dq[rows, D] = sum over partitions, in order, of the packed buffers `stride` floats apart.
  void (*unpack_dq)(const float* packed, long partitions, long stride, long rows, long depth, float* dq, long dq_stride);
};
QKV_KERNEL_TABLE(backward_kernel_table, backward_kernels)

}  // namespace qkv
