// What the second-order kernel does: one block of queries against the live key blocks, or one block of keys against the
// live query blocks of its query heads.
#pragma once
#include "qkv/attention/plan.h"
#include "qkv/base/instruction_set.h"

namespace qkv {

inline constexpr long second_order_side = 96;  ///< queries and keys in a block; a multiple of every set's tile sides

/// Blocks of one head's queries, or of one head's keys, packed one behind the other (second_order_packing.h).
struct packed_blocks {
  float* numbers;         ///< query_floats or key_floats a block, aligned to 64
  unsigned char* finite;  ///< [block]: neither NaN nor infinity in it
};

/// Rows to pack.  A null pointer stands for zeros.
struct rows_to_pack {
  const float* first;
  long stride;
};

/// One block of queries to pack.
struct second_order_queries {
  long depth, columns;  ///< D, E
  float scale;
  long rows;
  rows_to_pack q, a;       ///< a: cotangent of dq
  rows_to_pack out, dout;
  rows_to_pack lse;        ///< one number a row
  packed_blocks to;        ///< this block
};

/// One block of keys to pack.
struct second_order_keys {
  long depth, columns;
  long rows;
  rows_to_pack k, b;  ///< b: cotangent of dk
  rows_to_pack v, g;  ///< g: cotangent of dv
  packed_blocks to;
};

/// One query head.
struct second_order_head {
  packed_blocks queries;
  const live_list* live;  ///< along queries in a query walk, along keys in a key walk
  long number;
};

struct second_order_work {
  const formula* rule;
  long depth, columns;  ///< D, E
  float scale;
  long block;                      ///< of queries in a query walk, of keys in a key walk
  const second_order_head* heads;  ///< one in a query walk; those that read the key head in a key walk
  long head_count;
  packed_blocks keys;
  tile where;       ///< batch, offset, all_rows, all_keys of the sequence
  float* of_depth;  ///< the block's rows of dq, or of dk
  long of_depth_stride;
  float* of_columns;  ///< the block's rows of ddout, or of dv
  long of_columns_stride;
  float* scratch;  ///< scratch_floats, aligned to 64
};

struct second_order_kernel_table {
  long (*query_floats)(long depth, long columns);
  long (*key_floats)(long depth, long columns);
  long (*scratch_floats)(long depth, long columns);
  void (*pack_queries)(const second_order_queries&);
  void (*pack_keys)(const second_order_keys&);
  /// dq and ddout of a block; leaves in the packed queries the rows' sums that key walks read.
  void (*query_walk)(const second_order_work&);
  /// dk and dv of a block, after the query walks of all its query heads.
  void (*key_walk)(const second_order_work&);
};
QKV_KERNEL_TABLE(second_order_kernel_table, second_order_kernels)

}  // namespace qkv
