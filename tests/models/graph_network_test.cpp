#include "qkv/models/graph_network.h"

#include <gtest/gtest.h>

#include "qkv/autograd/views.h"
#include "tests/autograd/gradient_check.h"

namespace qkv {
namespace {

graph everyone_looks_at_everyone(long nodes) {
  std::vector<edge> edges;
  for (long i = 0; i < nodes; ++i)
    for (long j = 0; j < nodes; ++j) edges.push_back({i, j});
  return graph(nodes, nodes, edges);
}

TEST(GraphNetwork, OnACompleteGraphAggregatesAsMultiHeadAttention) {
  nn::initialisation init(3);
  const graph_block block({.features = 4, .classes = 2, .width = 12, .heads = 3}, init);
  const variable x(random_tensor({5, 12}, 1));
  const auto by_head = [](const variable& y) { return reshape(y, {1, 5, 3, 4}); };
  const variable dense =
      block.out(reshape(attention(by_head(block.query(x)), by_head(block.key(x)), by_head(block.value(x))), {5, 12}));
  const variable along_edges = block.aggregate(x, everyone_looks_at_everyone(5));
  for (long i = 0; i < 5; ++i)
    for (long c = 0; c < 12; ++c) EXPECT_NEAR(along_edges.value().item({i, c}), dense.value().item({i, c}), 1e-5);
}

TEST(GraphNetwork, ANodeSeesNoFurtherThanItsEdgesTimesItsLayers) {
  const graph chain(4, 4, {{0, 1}, {1, 2}, {2, 3}});
  const graph_network model({.features = 3, .classes = 2, .width = 8, .heads = 2, .layers = 2}, 5);
  const tensor features = random_tensor({4, 3}, 1);
  const tensor before = model.logits(features, chain).value();
  features.at<float>(3, 0) += 1;  // three edges from node 0, two from node 1
  const tensor after = model.logits(features, chain).value();
  EXPECT_EQ(before.item({0, 0}), after.item({0, 0}));
  EXPECT_NE(before.item({1, 0}), after.item({1, 0}));
}

TEST(GraphNetwork, ChangesWithTheNumberingOfNodesNoMoreThanItsRows) {
  const graph_network model({.features = 3, .classes = 2, .width = 8, .heads = 2}, 5);
  const tensor features = random_tensor({3, 3}, 1), turned({3, 3});
  for (long i = 0; i < 3; ++i) turned.select(0, (i + 1) % 3).copy_from(features.select(0, i));
  const tensor one = model.logits(features, graph(3, 3, {{0, 1}, {1, 2}, {1, 0}})).value();
  const tensor other = model.logits(turned, graph(3, 3, {{1, 2}, {2, 0}, {2, 1}})).value();
  for (long i = 0; i < 3; ++i)
    for (long c = 0; c < 2; ++c) EXPECT_NEAR(one.item({i, c}), other.item({(i + 1) % 3, c}), 1e-5);
}

TEST(GraphNetwork, HasTheGradientsOfItsLoss) {
  const graph links(3, 3, {{0, 1}, {0, 2}, {1, 0}});  // node 2 looks at nobody
  const graph_network model({.features = 3, .classes = 2, .width = 4, .heads = 2, .layers = 1, .hidden = 4}, 5);
  const tensor features = random_tensor({3, 3}, 1), targets({3}, std::vector<std::int32_t>{1, 0, 1});
  backward(model.loss(features, links, targets));
  for (const auto& [name, value] : nn::parameters_of(model)) {
    const tensor gradient = value.gradient();
    ASSERT_FALSE(gradient.empty()) << name;
    const auto numbers = value.value().values<float>();
    for (std::size_t i = 0; i < numbers.size(); i += 3) {
      const no_gradient values_only;
      const float at = numbers[i];
      const auto loss_at = [&](float x) {
        numbers[i] = x;
        return model.loss(features, links, targets).value().item();
      };
      const double slope = (loss_at(at + 0.01f) - loss_at(at - 0.01f)) / 0.02;
      numbers[i] = at;
      EXPECT_NEAR(gradient.values<float>()[i], slope, 2e-3) << name << " " << i;
    }
  }
}

TEST(GraphNetwork, SaysWhatDoesNotFit) {
  EXPECT_THROW(graph_network({.features = 3, .classes = 2, .width = 9, .heads = 2}, 1), shape_error);
  EXPECT_THROW(graph_network({.features = 0, .classes = 2}, 1), shape_error);
  const graph_network model({.features = 3, .classes = 2, .width = 8, .heads = 2}, 5);
  EXPECT_THROW(model.logits(tensor({2, 4}), graph(2, 2, {{0, 1}})), shape_error);
  EXPECT_THROW(model.logits(tensor({2, 3}), graph(3, 3, {{0, 1}})), shape_error);
}

TEST(GraphNetwork, TakesAGraphWithoutNodesOrEdges) {
  const graph_network model({.features = 3, .classes = 2, .width = 8, .heads = 2}, 5);
  EXPECT_EQ(model.logits(tensor({0, 3}), graph(0, 0, {})).shape(), shape({0, 2}));
  EXPECT_EQ(model.logits(tensor({2, 3}), graph(2, 2, {})).shape(), shape({2, 2}));
}

}  // namespace
}  // namespace qkv
