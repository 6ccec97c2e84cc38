// finite_watch: which operation was the first to give a number that is not finite.
//
//     finite_watch watch;
//     backward(model.loss(tokens, targets));
//     if (watch.found()) watch.found()->operation;          // "linear"
//
// For a step that is known to have gone wrong, run again: it reads every outcome and every gradient as it is made.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qkv/autograd/variable.h"

namespace qkv {

/// A number that is infinite or NaN, and where it stands in its tensor.
struct odd_number {
  float value = 0;
  std::vector<long> place;
  qkv::shape shape;  ///< of the tensor
};
/// The first one in row-major order; nothing where all are finite.  Cost: one pass.
std::optional<odd_number> first_not_finite(const tensor& numbers);
/// "inf at [0, 3] of [4, 8]"
std::string in_words(const odd_number& odd);

/// The first operation with such a number.
struct odd_operation {
  std::string operation;    ///< as record() names it
  bool in_backward = false;  ///< in a gradient that its derivative gave, rather than in its outcome
  long number = 0;          ///< of the operation in its pass, from 1
  odd_number odd;
  std::vector<std::shared_ptr<tape_node>> inputs;
  std::shared_ptr<tape_node> latest_leaf;  ///< that an operation up to this one read

  /// Whether the variable is one of the operation's inputs.
  bool reads(const variable& v) const;
  /// Whether it is the leaf that was read last, by this operation or one before it.
  bool follows(const variable& v) const { return v.node() && v.node() == latest_leaf; }
};

/// While one lives, operations of this thread and their derivatives are looked at as they run.
class finite_watch {
 public:
  finite_watch();
  ~finite_watch();
  finite_watch(const finite_watch&) = delete;
  finite_watch& operator=(const finite_watch&) = delete;

  const std::optional<odd_operation>& found() const { return found_; }

  // For the tape.
  static void see_outcome(const char* operation, const tensor& outcome, std::span<const variable> inputs);
  static void see_gradients(const char* operation, std::span<const std::shared_ptr<tape_node>> inputs);

 private:
  void note(const char* operation, bool in_backward, const tensor& numbers,
            std::span<const std::shared_ptr<tape_node>> inputs);

  finite_watch* before_;
  long forward_ = 0, backward_ = 0;
  std::shared_ptr<tape_node> latest_leaf_;
  std::optional<odd_operation> found_;
};

}  // namespace qkv
