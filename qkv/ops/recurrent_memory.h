// What a recurrent forward pass keeps, and the product that a step makes.  Internal to this room.
#pragma once
#include <vector>

#include "qkv/kernels/matmul.h"
#include "qkv/kernels/recurrent.h"
#include "qkv/ops/recurrent.h"
#include "qkv/ops/rows.h"
#include "qkv/ops/sequence_steps.h"

namespace qkv {

namespace detail {

struct recurrent_memory {
  recurrent_cell cell;
  sequence_steps steps;
  tensor x;
  recurrent_weights weights;
  recurrent_state start;
  long units;
  tensor gates;   ///< [N, G U], worked
  tensor kept;    ///< [N, U]: GRU's recurrent part of the new gate, LSTM's cells; empty for the plain cell
  tensor states;  ///< [N, U]
};

}  // namespace detail

/// How steps are cut up: by sequences where there are many, by units where there are few.  It follows from the shape
/// alone.
struct recurrent_plan {
  long chunk;        ///< sequences, by rank, that one item takes through all steps
  long block;        ///< units of one piece of a step, whole panels
  bool share_steps;  ///< the pieces of a step go to several threads

  recurrent_plan(const sequence_steps& steps, long units, long gates);
  long chunks(long sequences) const { return (sequences + chunk - 1) / chunk; }
};

/// Calls work(first, count) for the blocks of 0 .. units - 1.
template <class Work>
void for_blocks(const recurrent_plan& plan, long units, const Work& work) {
  const long blocks = (units + plan.block - 1) / plan.block;
  const auto block = [&](long item, int = 0) {
    work(item * plan.block, std::min(plan.block, units - item * plan.block));
  };
  if (plan.share_steps)
    parallel_for(blocks, block);
  else
    for (long item = 0; item < blocks; ++item) block(item);
}

/// A right-hand side packed in panels.  columns [J] of depth [K].
class packed_columns {
 public:
  packed_columns() = default;
  packed_columns(const float* b, long depth_stride, long column_stride, long depth, long columns);
  /// c [rows, count] = (or +=) a [rows, K] times the columns from `column`, the first of a panel.
  void multiply(const float* a, long a_stride, float* c, long c_stride, long rows, long column, long count,
                bool add) const;

 private:
  tensor panels_;
  long depth_ = 0;
};

}  // namespace qkv
