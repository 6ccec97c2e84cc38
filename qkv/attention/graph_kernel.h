// What the graph kernel does: rows of one head of one sequence over the links of a graph, and, on the way back, its
// keys over the same links.
#pragma once
#include "qkv/attention/graph.h"
#include "qkv/attention/problem.h"
#include "qkv/base/instruction_set.h"

namespace qkv {

/// One head of one sequence.  Pointers are to its first row; strides are from row to row.
struct graph_work {
  const formula* rule;
  const graph::lists* links;
  tile where;           ///< batch, head, offset, all_rows, all_keys
  long depth, columns;  ///< D, E
  float scale;
  const float* sink;              ///< this head's, or null
  float unit_reach, least_reach;  ///< threshold.h
  const float *q, *k, *v;
  long q_stride, k_stride, v_stride;
  float *out, *lse;  ///< forward
  long out_stride, lse_stride;
  const float* dout;  ///< backward
  long dout_stride;
  float *dq, *dk, *dv;
  long dq_stride, dk_stride, dv_stride;
  bool add;                         ///< dk and dv are added to: another head has been there
  float *weight, *slope;            ///< [edges]: what multiplies v, and the derivative of the scaled similarity
  std::span<float* const> learned;  ///< one gradient per parameter, added to
  float* scratch;                   ///< scratch_size(most keys of a query, D) floats, aligned to 64
};

struct graph_kernel_table {
  long (*scratch_size)(long most_keys, long depth);
  /// Queries from .. to: out and lse.
  void (*attend)(const graph_work&, long from, long to);
  /// Queries from .. to: dq, learned, and weight and slope of their links.
  void (*queries_backward)(const graph_work&, long from, long to);
  /// Keys from .. to: dk and dv, from weight and slope.
  void (*keys_backward)(const graph_work&, long from, long to);
};
QKV_KERNEL_TABLE(graph_kernel_table, graph_kernels)

}  // namespace qkv
