#include "qkv/train/node_classification.h"

#include <algorithm>

#include "qkv/train/streams.h"

namespace qkv {

double accuracy_of(const graph_network& model, const labelled_graph& given) {
  const no_gradient values_only;
  const tensor logits = model.logits(given.features, given.edges).value();
  long right = 0;
  for (long i = 0; i < logits.dim(0); ++i) {
    const auto row = logits.select(0, i).values<float>();
    right += std::ranges::max_element(row) - row.begin() == given.targets.at<std::int32_t>(i);
  }
  return double(right) / double(std::max(1L, logits.dim(0)));
}

node_classification_task::node_classification_task(const graph_network& model, source graphs,
                                                   const training_options& options)
    : model_(model), graphs_(std::move(graphs)), options_(options) {}

batch_loss node_classification_task::loss(long number, const nn::forward_mode&) const {
  const labelled_graph one = graphs_({options_.seed, streams::data_order}, std::uint64_t(number));
  return {model_.loss(one.features, one.edges, one.targets), one.targets.size()};
}

double node_classification_task::validation_loss(long batches) const {
  const no_gradient values_only;
  if (batches == 0) batches = std::max(1L, options_.final_batches);
  double sum = 0;
  for (long n = 0; n < batches; ++n) {
    const labelled_graph one = held_out(n);
    sum += model_.loss(one.features, one.edges, one.targets).value().item();
  }
  return sum / double(batches);
}

labelled_graph node_classification_task::held_out(long number) const {
  return graphs_({options_.seed, streams::validation}, std::uint64_t(number));
}

}  // namespace qkv
