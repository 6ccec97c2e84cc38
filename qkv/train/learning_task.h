// learning_task: what the trainer needs to know of a model and its data.
//
// The trainer owns the loop (schedule, optimiser, reports, checkpoints); a task says what is learned from what.  Which
// examples a batch holds must be a pure function of its number, so that a resumed run sees what an uninterrupted one
// sees.
#pragma once
#include "qkv/nn/module.h"
#include "qkv/train/options.h"

namespace qkv {

/// The loss of one batch: mean over `targets` numbers of loss (tokens to predict, pictures to name).
struct batch_loss {
  variable mean;
  long targets = 0;
};

class learning_task {
 public:
  virtual ~learning_task() = default;

  virtual std::vector<nn::named_parameter> parameters() const = 0;
  /// The loss of batch `number` of the run, from 0.  Where gradients are accumulated, a step takes several batches.
  virtual batch_loss loss(long number, const nn::forward_mode& mode) const = 0;
  /// Mean loss on data held out, always the same: `batches` of it, or all where `batches` is 0.  Values only.
  virtual double validation_loss(long batches) const = 0;
  /// How often batch `number` has seen every example, as far as the task has a notion of it; otherwise 0.
  virtual double epochs_at(long /*number*/) const { return 0; }
};

/// How a run goes through its batch `number`, the first time and any time again.
inline nn::forward_mode mode_of_batch(long number, const training_options& options) {
  return {.training = true, .seed = options.seed, .step = std::uint64_t(number)};
}

}  // namespace qkv
