// The tape: nodes, their gradients and the walk back.
#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <unordered_set>

#include "qkv/autograd/finite_watch.h"
#include "qkv/autograd/tape_node.h"
#include "qkv/ops/add.h"

namespace qkv {
namespace {

thread_local bool recording_allowed = true;
std::atomic<std::uint64_t> operations_so_far = 0;

[[noreturn]] void complain_of_second_walk(const tape_node& node) {
  throw std::logic_error(std::string("backward: expected a graph that has not been walked; found '") + node.operation +
                         "', whose derivative was used by an earlier backward(); run the forward pass again");
}

/// Every operation that leads to `from`, latest first.
std::vector<std::shared_ptr<tape_node>> operations_before(const std::shared_ptr<tape_node>& from) {
  std::vector<std::shared_ptr<tape_node>> found, open{from};
  std::unordered_set<tape_node*> seen{from.get()};
  while (!open.empty()) {
    const auto node = std::move(open.back());
    open.pop_back();
    if (!node->operation) continue;
    if (node->spent) complain_of_second_walk(*node);
    found.push_back(node);
    for (const auto& input : node->inputs) {
      if (input && seen.insert(input.get()).second) open.push_back(input);
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->order > b->order; });
  return found;
}

/// Runs one derivative, then lets go of everything that only this node held.
void step_back(tape_node& node) {
  const auto incoming = std::move(node.gradient);
  node.spent = true;
  derivative how = std::move(node.how);
  const auto inputs = std::move(node.inputs);
  node.inputs.clear();
  if (!incoming) return;
  how(*incoming, gradient_sink(inputs, incoming));
  finite_watch::see_gradients(node.operation, inputs);
}

}  // namespace

tape_node::~tape_node() {
  auto open = std::move(inputs);
  while (!open.empty()) {
    const auto node = std::move(open.back());
    open.pop_back();
    if (!node || node.use_count() > 1) continue;
    open.insert(open.end(), node->inputs.begin(), node->inputs.end());
    node->inputs.clear();
  }
}

gradient_sink::place tape_node::place_to_write() {
  if (!gradient) {
    gradient = std::make_shared<tensor>(tensor::uninitialized(shape));
    return {*gradient, writing::replace};
  }
  if (gradient.use_count() > 1) gradient = std::make_shared<tensor>(gradient->clone());
  return {*gradient, writing::add};
}

void tape_node::add(tensor more) {
  if (more.shape() != shape) {
    refuse("backward", "a gradient of its variable's shape " + to_string(shape), to_string(more.shape()));
  }
  if (!gradient) {
    gradient = std::make_shared<tensor>(std::move(more));
  } else if (gradient.use_count() == 1) {
    add_into(*gradient, *gradient, more);
  } else {
    add_into(more, *gradient, more);
    gradient = std::make_shared<tensor>(std::move(more));
  }
}

void tape_node::add_shared(const std::shared_ptr<tensor>& more) {
  if (!gradient && more->shape() == shape) {
    gradient = more;
  } else if (!gradient) {
    gradient = std::make_shared<tensor>(more->reshape(shape).clone());
  } else {
    const tensor sum = place_to_write().memory;
    add_into(sum, sum, more->reshape(shape));
  }
}

variable::variable(tensor value, bool wants_gradient) : value_(std::move(value)) {
  if (!wants_gradient) return;
  node_ = std::make_shared<tape_node>();
  node_->shape = value_.shape();
}

const tensor& variable::gradient() const {
  static const tensor none;
  return node_ && node_->gradient ? *node_->gradient : none;
}

void variable::clear_gradient() const {
  if (node_) node_->gradient.reset();
}

no_gradient::no_gradient() : before_(recording_allowed) { recording_allowed = false; }
no_gradient::~no_gradient() { recording_allowed = before_; }

bool recording(std::span<const variable> inputs) {
  return recording_allowed &&
         std::any_of(inputs.begin(), inputs.end(), [](const variable& v) { return v.wants_gradient(); });
}

gradient_sink::place gradient_sink::to(int input) const {
  return wants(input) ? inputs_[std::size_t(input)]->place_to_write() : place{};
}

tensor gradient_sink::sum(int input) const {
  const place where = to(input);
  if (wants(input) && where.write == writing::replace) where.memory.fill(0);
  return where.memory;
}

void gradient_sink::add(int input, tensor gradient) const {
  if (wants(input)) inputs_[std::size_t(input)]->add(std::move(gradient));
}

void gradient_sink::pass_on(int input) const {
  if (wants(input)) inputs_[std::size_t(input)]->add_shared(incoming_);
}

variable record(const char* operation, tensor outcome, std::span<const variable> inputs, derivative how) {
  finite_watch::see_outcome(operation, outcome, inputs);
  if (!recording(inputs)) return variable(std::move(outcome));
  auto node = std::make_shared<tape_node>();
  node->shape = outcome.shape();
  node->operation = operation;
  node->order = ++operations_so_far;
  node->how = std::move(how);
  node->inputs.reserve(inputs.size());
  for (const variable& input : inputs) node->inputs.push_back(input.node());
  return variable(std::move(outcome), std::move(node));
}

void backward(const variable& loss) {
  if (loss.empty()) refuse("backward", "a loss", "an empty variable");
  if (loss.value().size() != 1) {
    refuse("backward", "a loss of one element",
           to_string(loss.shape()) + "; reduce it first, or give the gradient of the outcome as a second argument");
  }
  backward(loss, tensor::full(loss.shape(), 1));
}

void backward(const variable& outcome, const tensor& gradient) {
  if (!outcome.wants_gradient()) {
    refuse("backward", "a variable that depends on one with needs_gradient",
           "one that does not, or that was made while a no_gradient lived");
  }
  auto operations = operations_before(outcome.node());
  outcome.node()->add(gradient.clone());
  for (auto& operation : operations) {
    step_back(*operation);
    operation.reset();
  }
}

}  // namespace qkv
