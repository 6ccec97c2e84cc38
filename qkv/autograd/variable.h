// variable: a tensor whose history the tape knows, so that a loss can be differentiated with respect to it.
//
//     variable w(weights, needs_gradient), x(inputs);
//     variable loss = cross_entropy(linear(gelu(x), w), targets);
//     backward(loss);
//     w.gradient();                                   // d loss / d w, of w's shape
//
// The tape is the graph of the operations that led to a variable (reverse mode: Linnainmaa 1970; Speelpenning 1980).
// Each operation notes its inputs and its derivative; backward() walks them in the reverse of the order in which they
// ran, one thread, so the same program gives the same bits.  A walk uses the graph up: storage that only the graph
// held goes back to allocate_memory()'s cache as soon as it has been read for the last time.
#pragma once
#include <initializer_list>
#include <memory>
#include <span>

#include "qkv/tensor/tensor.h"

namespace qkv {

struct tape_node;

inline constexpr bool needs_gradient = true;

/// A handle: copies name the same variable.
class variable {
 public:
  variable() = default;  ///< nothing; empty() is true
  /// A leaf: a parameter where a gradient is asked for, a constant otherwise.  Shares the tensor's storage.
  explicit variable(tensor value, bool wants_gradient = false);
  /// For record(): the outcome of an operation.
  variable(tensor value, std::shared_ptr<tape_node> node) : value_(std::move(value)), node_(std::move(node)) {}

  bool empty() const { return value_.empty(); }
  const tensor& value() const { return value_; }
  const qkv::shape& shape() const { return value_.shape(); }
  long dim(int axis) const { return value_.dim(axis); }

  bool wants_gradient() const { return node_ != nullptr; }
  /// What backward() has added up so far; empty before that.  Only leaves keep theirs.
  const tensor& gradient() const;
  /// Forgets the gradient.  Without it the next backward() adds to it (gradient accumulation).
  void clear_gradient() const;
  /// The same value without its history.
  variable detached() const { return variable(value_); }

  const std::shared_ptr<tape_node>& node() const { return node_; }

 private:
  tensor value_;
  std::shared_ptr<tape_node> node_;  // null for constants
};

/// Adds d loss / d p to the gradient of every leaf p that asked for one.
/// @throws shape_error when loss has more than one element (give the gradient of the outcome as a second argument)
/// @throws std::logic_error when a part of the graph has been walked before: run the forward pass again
/// Cost: that of the derivatives; deterministic.
void backward(const variable& loss);
/// The same from a variable of any shape, given d loss / d outcome.
void backward(const variable& outcome, const tensor& gradient);

/// While one lives, operations of this thread note nothing: values only, as for validation and generation.
class no_gradient {
 public:
  no_gradient();
  ~no_gradient();
  no_gradient(const no_gradient&) = delete;
  no_gradient& operator=(const no_gradient&) = delete;

 private:
  bool before_;
};

/// Whether operations on these inputs are being noted: a gradient is wanted somewhere, and no no_gradient lives.
bool recording(std::span<const variable> inputs);
inline bool recording(std::initializer_list<variable> inputs) {
  return recording(std::span(inputs.begin(), inputs.size()));
}

}  // namespace qkv
