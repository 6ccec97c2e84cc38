#include "qkv/autograd/finite_watch.h"

#include <algorithm>
#include <cmath>

#include "qkv/autograd/tape_node.h"

namespace qkv {
namespace {

thread_local finite_watch* watching = nullptr;

}  // namespace

std::optional<odd_number> first_not_finite(const tensor& numbers) {
  if (numbers.empty() || numbers.type() != dtype::float32) return {};
  const tensor in_order = numbers.to_contiguous();
  const auto all = in_order.values<float>();
  const auto odd = std::ranges::find_if(all, [](float x) { return !std::isfinite(x); });
  if (odd == all.end()) return {};
  odd_number found{*odd, std::vector<long>(numbers.shape().size()), numbers.shape()};
  long rest = odd - all.begin();
  for (std::size_t axis = found.place.size(); axis-- > 0; rest /= found.shape[axis])
    found.place[axis] = rest % found.shape[axis];
  return found;
}

std::string in_words(const odd_number& odd) {
  const std::string value = std::isnan(odd.value) ? "nan" : odd.value > 0 ? "inf" : "-inf";
  return value + " at " + to_string(shape(odd.place.begin(), odd.place.end())) + " of " + to_string(odd.shape);
}

bool odd_operation::reads(const variable& v) const {
  return v.node() && std::ranges::find(inputs, v.node()) != inputs.end();
}

finite_watch::finite_watch() : before_(watching) { watching = this; }
finite_watch::~finite_watch() { watching = before_; }

void finite_watch::note(const char* operation, bool in_backward, const tensor& numbers,
                        std::span<const std::shared_ptr<tape_node>> inputs) {
  if (found_) return;
  if (const auto odd = first_not_finite(numbers))
    found_ = {operation,   in_backward, in_backward ? backward_ : forward_, *odd, {inputs.begin(), inputs.end()},
              latest_leaf_};
}

void finite_watch::see_outcome(const char* operation, const tensor& outcome, std::span<const variable> inputs) {
  if (!watching) return;
  std::vector<std::shared_ptr<tape_node>> nodes;
  for (const variable& v : inputs) nodes.push_back(v.node());
  for (const auto& node : nodes)
    if (node && !node->operation) watching->latest_leaf_ = node;
  ++watching->forward_;
  watching->note(operation, false, outcome, nodes);
}

void finite_watch::see_gradients(const char* operation, std::span<const std::shared_ptr<tape_node>> inputs) {
  if (!watching) return;
  for (const auto& node : inputs)
    if (node && !node->operation) watching->latest_leaf_ = node;
  ++watching->backward_;
  for (const auto& node : inputs)
    if (node && node->gradient) watching->note(operation, true, *node->gradient, inputs);
}

}  // namespace qkv
