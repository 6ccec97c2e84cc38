// Learning to tell the classes of a graph's nodes.
#pragma once
#include <functional>

#include "qkv/models/graph_network.h"
#include "qkv/train/neighbour_lookup.h"
#include "qkv/train/learning_task.h"
#include "qkv/train/options.h"

namespace qkv {

/// The share of nodes whose likeliest class is theirs.
double accuracy_of(const graph_network& model, const labelled_graph& given);

/// A graph a batch, each of them new; validation is on other ones.
class node_classification_task : public learning_task {
 public:
  using source = std::function<labelled_graph(random_stream, std::uint64_t number)>;

  /// The caller keeps the model alive.   @param options  seed, and final_batches for batches of 0
  node_classification_task(const graph_network& model, source graphs, const training_options& options);

  std::vector<nn::named_parameter> parameters() const override { return nn::parameters_of(model_); }
  batch_loss loss(long number, const nn::forward_mode& mode) const override;
  double validation_loss(long batches) const override;
  /// Held-out graph `number`, never one to learn from.
  labelled_graph held_out(long number) const;

 private:
  const graph_network& model_;
  source graphs_;
  training_options options_;
};

}  // namespace qkv
