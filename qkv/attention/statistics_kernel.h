// What the statistics kernel does: the weights of one block of queries, row by row, told to whoever asks.
#pragma once
#include "qkv/attention/forward_kernel.h"

namespace qkv {

/// A rectangle of one head's links, cut into cells of about equal size.
struct map_work {
  long row, rows, key, keys;
  long down, across;  ///< cells
  float* sums;        ///< [down, across], added to
};

/// Null where nothing is wanted.  Rows count from the block's first query, keys from the sequence's first key.
struct statistics_work {
  const forward_work* scores;
  long row_stride;            ///< of results with one number a row
  float* level;
  float* entropy;
  float* maximum;
  long top;                   ///< links a row
  std::int32_t* top_keys;     ///< [rows, top], -1 where a row has fewer; rows row_stride * top apart
  float* top_weights;
  const float* shares;        ///< what each row counts in `received`, or null: 1
  long share_stride;
  float* received;            ///< [keys], added to
  float* distances;           ///< [rows + keys - 1 of the sequence], added to: link (row, key) at all_rows - 1 - row + key
  const std::int32_t* tokens; ///< [keys]: what stands at each place
  float* detected;            ///< [3], added to: previous token, duplicate token, induction
  map_work map;               ///< of the sequence's rows; sums null: none
  float* dense;               ///< [rows, all_keys], 0 where there is no link
};

struct statistics_kernel_table {
  void (*query_block)(const statistics_work&);
};
QKV_KERNEL_TABLE(statistics_kernel_table, statistics_kernels)

}  // namespace qkv
