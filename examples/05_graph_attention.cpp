// Attention on a graph: AGGREGATE, NORM, UPDATE along given edges, on questions that one neighbour can answer.
//
// Every node looks for a name; of its six neighbours one has it, and that one's answer is the node's class
// (qkv/train/neighbour_lookup.h).  A node that only knows itself guesses one of five answers.  The mean of the
// neighbours says which answers there are, not whose.  Attention learns to ask the right one.
#include <cstdio>

#include "qkv/train/node_classification.h"
#include "qkv/train/trainer.h"

using namespace qkv;

static double accuracy_after_learning(neighbour_blend blend) {
  const neighbour_lookup questions;
  const graph_network model({.features = questions.features(),
                             .classes = questions.answers,
                             .width = 48,
                             .heads = 2,
                             .layers = 1,
                             .blend = blend},
                            1);
  training_options options{.steps = 500, .learning_rate = 5e-3, .weight_decay = 0, .validate_every = 0, .final_batches = 4};
  const node_classification_task task(
      model, [&](random_stream random, std::uint64_t number) { return questions.graph_at(random, number); }, options);
  trainer(task, options).train();
  double right = 0;
  for (long n = 0; n < 8; ++n) right += accuracy_of(model, task.held_out(n)) / 8;
  return right;
}

int main() {
  const auto in_words = [](double right) {
    return right > 0.99 ? "nearly always" : right > 0.7 ? "mostly" : right > 0.3 ? "now and then" : "no more than by guessing";
  };
  std::printf("each node by itself:        right %s\n", in_words(accuracy_after_learning(neighbour_blend::none)));
  std::printf("the mean of its neighbours: right %s\n", in_words(accuracy_after_learning(neighbour_blend::mean)));
  std::printf("attention to neighbours:    right %s\n", in_words(accuracy_after_learning(neighbour_blend::attention)));
}
