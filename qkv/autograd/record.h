// record: how an operation with a known derivative joins the tape.  Every lifted operation goes through here.
#pragma once
#include <functional>

#include "qkv/autograd/variable.h"
#include "qkv/ops/writing.h"

namespace qkv {

/// Where a derivative leaves the gradients of the operation's inputs.
class gradient_sink {
 public:
  explicit gradient_sink(std::span<const std::shared_ptr<tape_node>> inputs, const std::shared_ptr<tensor>& incoming)
      : inputs_(inputs), incoming_(incoming) {}

  /// Whether anyone asked for the gradient of this input; a derivative may skip what nobody did.
  bool wants(int input) const { return inputs_[std::size_t(input)] != nullptr; }

  /// Memory for the gradient of an input, and whether to replace what is there or to add to it.  The memory is empty
  /// where nobody asked; the ops' derivatives then leave it out.
  struct place {
    tensor memory;
    writing write = writing::replace;
  };
  place to(int input) const;
  /// The same for derivatives that can only add: zeros at first.
  tensor sum(int input) const;
  /// Hands over a gradient made elsewhere.  It must not be a view of something in use: the tape may add to it.
  void add(int input, tensor gradient) const;
  /// Adds the gradient of the outcome itself, unchanged: for sums and reshapes; costs nothing.
  void pass_on(int input) const;

 private:
  std::span<const std::shared_ptr<tape_node>> inputs_;
  const std::shared_ptr<tensor>& incoming_;
};

using derivative = std::move_only_function<void(const tensor& gradient, const gradient_sink& into)>;

/// The variable of an operation's outcome.  `how` is called at most once, during backward(); it must hold tensors
/// (inputs or outcomes it needs), never variables.  Where nobody wants a gradient it is dropped.
variable record(const char* operation, tensor outcome, std::span<const variable> inputs, derivative how);
inline variable record(const char* operation, tensor outcome, std::initializer_list<variable> inputs, derivative how) {
  return record(operation, std::move(outcome), std::span(inputs.begin(), inputs.size()), std::move(how));
}

}  // namespace qkv
