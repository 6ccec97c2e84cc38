// A network on a graph, whose nodes learn of their neighbours by attention.  Every layer is what the notes call
// AGGREGATE, NORM, UPDATE: attention along the edges, a norm, and a feed-forward layer for each node by itself.
// Where every node has an edge to every node this is the block of a transformer.
//
// Velickovic et al. 2018 (graph attention networks), with the dot products and residuals of Vaswani et al. 2017.
//
//   N nodes   F features   C width   H heads   K classes
#pragma once
#include <vector>

#include "qkv/autograd/graph_attention.h"
#include "qkv/nn/feed_forward.h"
#include "qkv/nn/norm.h"

namespace qkv {

/// How a node blends its neighbours: by attention; all alike, the mean; not at all, the baseline.
enum class neighbour_blend { attention, mean, none };

struct graph_network_config {
  long features = 0, classes = 0;
  long width = 64;
  long heads = 4;
  long layers = 2;
  long hidden = 0;  ///< width of the feed-forward layers; 0: 4 width
  neighbour_blend blend = neighbour_blend::attention;

  long hidden_width() const { return hidden ? hidden : 4 * width; }
};

/// @throws shape_error that says which numbers do not fit together
void check(const graph_network_config&);

/// One layer; x [N, C] to [N, C].
struct graph_block {
  long heads = 1;
  attention_parts blend;        ///< how neighbours are weighed; without a formula, not at all
  nn::linear query, key, value, out;
  nn::norm norms[2];
  nn::feed_forward feed_forward;

  graph_block() = default;
  graph_block(const graph_network_config& config, nn::initialisation& init);

  /// What the neighbours say: the weighted mean of their values.
  variable aggregate(const variable& x, const graphs& edges) const;
  /// What a node makes of that by itself.
  variable update(const variable& x) const { return feed_forward(x, x); }
  /// update(norm(x + aggregate(x))), and a norm again.
  variable operator()(const variable& x, const graphs& edges) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    if (blend.formula) {
      query.visit(prefix + "query.", see), key.visit(prefix + "key.", see);
      value.visit(prefix + "value.", see), out.visit(prefix + "out.", see);
    }
    norms[0].visit(prefix + "norms.0.", see), norms[1].visit(prefix + "norms.1.", see);
    feed_forward.visit(prefix + "feed_forward.", see);
  }
};

/// Tells the class of every node.
class graph_network {
 public:
  /// @throws shape_error where the numbers do not fit together
  graph_network(const graph_network_config& config, std::uint64_t seed);

  const graph_network_config& config() const { return config_; }

  /// [N, K], before softmax.   @param features  [N, F]
  /// @param edges  among the N nodes; edge {i, j}: node i looks at node j
  /// @throws shape_error where the features are others, or the graph has another number of nodes
  /// Cost: products of N (4 C + 2 hidden) C multiply-adds a layer, and 2 C an edge.
  variable logits(const tensor& features, const graph& edges) const;

  /// Mean cross-entropy of all nodes, in nats.   @param targets  [N] int32; ignored_target leaves a node out
  variable loss(const tensor& features, const graph& edges, const tensor& targets) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    embed_.visit(prefix + "embed.", see);
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      blocks_[i].visit(prefix + "blocks." + std::to_string(i) + ".", see);
    head_.visit(prefix + "head.", see);
  }

 private:
  graph_network(const graph_network_config& config, nn::initialisation init);

  graph_network_config config_;
  nn::linear embed_;
  std::vector<graph_block> blocks_;
  nn::linear head_;
};

}  // namespace qkv
