#include "qkv/train/node_classification.h"

#include <gtest/gtest.h>

#include <set>

#include "qkv/train/trainer.h"

namespace qkv {
namespace {

long place_of_one(const tensor& row, long from, long to) {
  for (long c = from; c < to; ++c)
    if (row.at<float>(c) == 1) return c - from;
  return -1;
}

TEST(NeighbourLookup, TheClassIsTheAnswerOfTheOneNeighbourWhoseNameIsLookedFor) {
  const neighbour_lookup task{.nodes = 40, .neighbours = 4, .names = 7, .answers = 3};
  for (std::uint64_t number = 0; number < 3; ++number) {
    const labelled_graph one = task.graph_at({5, 1}, number);
    const auto& lists = one.edges.sorted();
    for (long i = 0; i < task.nodes; ++i) {
      const long wanted = place_of_one(one.features.select(0, i), 7, 14);
      std::set<long> names;
      for (long n = lists.first_of_query[std::size_t(i)]; n < lists.first_of_query[std::size_t(i) + 1]; ++n) {
        const long j = lists.key[std::size_t(n)];
        EXPECT_NE(i, j);
        const tensor neighbour = one.features.select(0, j);
        const long name = place_of_one(neighbour, 0, 7);
        EXPECT_TRUE(names.insert(name).second) << "two neighbours of one name";
        if (name == wanted) {
          EXPECT_EQ(place_of_one(neighbour, 14, 17), one.targets.at<std::int32_t>(i));
        }
      }
      EXPECT_EQ(names.size(), 4u);
      EXPECT_TRUE(names.contains(wanted));
    }
  }
}

TEST(NeighbourLookup, IsAPureFunctionOfStreamAndNumber) {
  const neighbour_lookup task;
  const auto answers = [&](random_stream random, std::uint64_t number) {
    const auto graph = task.graph_at(random, number);
    const auto targets = graph.targets.values<std::int32_t>();
    return std::vector<std::int32_t>(targets.begin(), targets.end());
  };
  EXPECT_EQ(answers({1, 2}, 3), answers({1, 2}, 3));
  EXPECT_NE(answers({1, 2}, 3), answers({1, 2}, 4));
  EXPECT_NE(answers({1, 2}, 3), answers({1, 3}, 3));
  EXPECT_NE(answers({1, 2}, 3), answers({2, 2}, 3));
}

TEST(NeighbourLookup, SaysWhatIsMissing) {
  EXPECT_THROW((neighbour_lookup{.neighbours = 9, .names = 8}.graph_at({1, 1}, 0)), shape_error);
  EXPECT_THROW((neighbour_lookup{.nodes = 15, .names = 8}.graph_at({1, 1}, 0)), shape_error);
  EXPECT_THROW((neighbour_lookup{.neighbours = 0}.graph_at({1, 1}, 0)), shape_error);
}

double accuracy_after_learning(neighbour_blend blend) {
  const neighbour_lookup questions;
  const graph_network model({.features = questions.features(),
                             .classes = questions.answers,
                             .width = 48,
                             .heads = 2,
                             .layers = 1,
                             .blend = blend},
                            1);
  const training_options options{
      .steps = 500, .learning_rate = 5e-3, .weight_decay = 0, .validate_every = 0, .final_batches = 2};
  const node_classification_task task(
      model, [&](random_stream random, std::uint64_t number) { return questions.graph_at(random, number); }, options);
  trainer(task, options).train();
  return accuracy_of(model, task.held_out(0));
}

TEST(NodeClassification, AttentionLearnsWhomToAskAndAMeanDoesNot) {
  EXPECT_GT(accuracy_after_learning(neighbour_blend::attention), 0.99);
  EXPECT_LT(accuracy_after_learning(neighbour_blend::mean), 0.7);
  EXPECT_LT(accuracy_after_learning(neighbour_blend::none), 0.35);
}

}  // namespace
}  // namespace qkv
