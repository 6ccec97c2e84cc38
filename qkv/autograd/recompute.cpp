#include "qkv/autograd/recompute.h"

#include <vector>

#include "qkv/autograd/tape_node.h"

namespace qkv {
namespace {

thread_local bool blocks_wanted = false;

/// Runs the part again on leaves, and walks back through it.  Leaves begin with what has been added up for the inputs,
/// so that sums are taken in the order in which the whole tape would take them.
void walk_back_again(const repeatable_part& part, std::span<const tensor> values,
                     std::span<const std::shared_ptr<tape_node>> inputs, const tensor& gradient) {
  std::vector<variable> leaves;
  for (std::size_t i = 0; i < values.size(); ++i) {
    leaves.emplace_back(values[i], inputs[i] != nullptr);
    if (inputs[i]) leaves[i].node()->gradient = std::move(inputs[i]->gradient);
  }
  backward(part(leaves), gradient);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (inputs[i]) inputs[i]->gradient = std::move(leaves[i].node()->gradient);
}

}  // namespace

variable recomputed(const char* operation, std::span<const variable> inputs, repeatable_part part) {
  if (!recording(inputs)) return part(inputs);
  tensor outcome;
  {
    const no_gradient values_only;
    outcome = part(inputs).value();
  }
  std::vector<tensor> values;
  std::vector<std::shared_ptr<tape_node>> nodes;
  for (const variable& v : inputs) values.push_back(v.value()), nodes.push_back(v.node());
  return record(operation, std::move(outcome), inputs,
                [values = std::move(values), nodes = std::move(nodes), part = std::move(part)](
                    const tensor& gradient, const gradient_sink&) { walk_back_again(part, values, nodes, gradient); });
}

recomputing_blocks::recomputing_blocks(bool wanted) : before_(blocks_wanted) { blocks_wanted = wanted; }
recomputing_blocks::~recomputing_blocks() { blocks_wanted = before_; }
bool recomputing_blocks::wanted() { return blocks_wanted; }

}  // namespace qkv
