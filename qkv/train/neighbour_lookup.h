// A graph whose nodes must ask the right neighbour: a soft lookup, made so that attention can learn it and a mean of
// the neighbours cannot.
//
// Every node has a name, an answer, and a name that it looks for; its neighbours have different names, and one of them
// has that name.  The class of the node is that neighbour's answer.  Nodes elsewhere share those names, with answers of
// their own: without the edges the question has no answer.
#pragma once
#include "qkv/attention/graph.h"
#include "qkv/base/random.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// A graph, what its nodes are like, and what they should be called.
struct labelled_graph {
  tensor features;  ///< [N, F] float32
  graph edges;      ///< {i, j}: node i looks at node j
  tensor targets;   ///< [N] int32
};

struct neighbour_lookup {
  long nodes = 256;
  long neighbours = 6;  ///< of each node, none of them itself
  long names = 8;       ///< at least as many as neighbours
  long answers = 5;     ///< the classes

  long features() const { return 2 * names + answers; }  ///< own name, name looked for, own answer: one-hot each

  /// Graph `number` of the stream; a pure function of both.
  /// @throws shape_error where there are too few names or nodes
  labelled_graph graph_at(random_stream random, std::uint64_t number) const;
};

}  // namespace qkv
