#include "qkv/train/neighbour_lookup.h"

#include <string>

#include "qkv/base/error.h"
#include "qkv/train/data_order.h"

namespace qkv {
namespace {

void check(const neighbour_lookup& task) {
  if (task.neighbours < 1 || task.answers < 2) {
    refuse("neighbour_lookup", "at least 1 neighbour and 2 answers",
           std::to_string(task.neighbours) + " and " + std::to_string(task.answers));
  }
  if (task.names < task.neighbours) {
    refuse("neighbour_lookup", "a name for each of " + std::to_string(task.neighbours) + " neighbours",
           std::to_string(task.names) + " names");
  }
  if (task.nodes < 2 * task.names) {
    refuse("neighbour_lookup", "at least " + std::to_string(2 * task.names) + " nodes, two of each name",
           std::to_string(task.nodes));
  }
}

std::vector<long> counting(long count) {
  std::vector<long> numbers;
  for (long i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

}  // namespace

labelled_graph neighbour_lookup::graph_at(random_stream random, std::uint64_t number) const {
  check(*this);
  // Draws of one graph: a place in the order and an answer for each node, then what each node asks of whom.
  std::uint64_t draw = number * std::uint64_t(nodes) * std::uint64_t(2 * names + 4);
  const auto below = [&](long n) { return long(random.below(draw++, std::uint64_t(n))); };

  // Names go round a shuffled order, so that all are equally frequent and name n is had by order[n], order[n + names]...
  std::vector<long> order = counting(nodes), name(std::size_t(nodes), 0);
  shuffle(order, random, draw), draw += std::uint64_t(nodes) + 1;
  for (long place = 0; place < nodes; ++place) name[std::size_t(order[std::size_t(place)])] = place % names;
  std::vector<std::int32_t> targets(std::size_t(nodes), 0);
  std::vector<long> answer;
  for (long i = 0; i < nodes; ++i) answer.push_back(below(answers));

  const tensor features({nodes, this->features()});
  std::vector<edge> edges;
  for (long i = 0; i < nodes; ++i) {
    std::vector<long> asked = counting(names);
    shuffle(asked, random, draw), draw += std::uint64_t(names) + 1;
    for (long n = 0; n < neighbours; ++n) {
      // Another node of that name, any of them.
      const long wanted = asked[std::size_t(n)], bearers = (nodes - wanted + names - 1) / names;
      long place = wanted + below(bearers) * names;
      if (order[std::size_t(place)] == i) place = wanted + (place - wanted + names) % (bearers * names);
      const long neighbour = order[std::size_t(place)];
      edges.push_back({i, neighbour});
      if (n == 0) targets[std::size_t(i)] = std::int32_t(answer[std::size_t(neighbour)]);
    }
    features.at<float>(i, name[std::size_t(i)]) = 1;
    features.at<float>(i, names + asked[0]) = 1;
    features.at<float>(i, 2 * names + answer[std::size_t(i)]) = 1;
  }
  return {features, graph(nodes, nodes, edges), tensor({nodes}, std::move(targets))};
}

}  // namespace qkv
