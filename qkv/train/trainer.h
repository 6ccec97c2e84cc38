// The training loop of a language model.
//
//     decoder model(config, seed);
//     trainer run(model, tokens, options);
//     run.on_progress = [&](const training_progress& p) { ... };
//     run.train(&stop);                                    // a signal handler may set stop
//     save_checkpoint("model.safetensors", model, facts, &run.optimiser_state());
//
// Samples, checkpoints and the screen belong to the program; they come in as callbacks.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <span>

#include "qkv/models/decoder.h"
#include "qkv/train/data_order.h"
#include "qkv/train/optimiser.h"
#include "qkv/train/options.h"
#include "qkv/train/progress.h"

namespace qkv {

class trainer {
 public:
  /// @param text  tokens; the caller keeps them alive.  The last tenth is for validation.
  /// @throws shape_error where options make no sense or the text is too short for the model's context
  trainer(decoder& model, std::span<const std::int32_t> text, const training_options& options);

  std::function<void(const training_progress&)> on_progress;    ///< every report_every steps, and at the end
  std::function<void(const training_progress&)> on_sample;      ///< every sample_every steps
  std::function<void(const training_progress&)> on_checkpoint;  ///< every checkpoint_every steps, and at the end

  /// Goes on from a checkpoint: with the same options, data and instruction set, the steps that follow have the same
  /// bits as those of a run that was never interrupted.
  /// @throws file_error where the state does not fit the model
  void resume(long step, const std::vector<std::pair<std::string, tensor>>& optimiser_state);

  /// Trains to the end of options.steps or options.seconds, or until *stop is true, then validates (not when stopped)
  /// and reports.   @returns the last report
  training_progress train(const std::atomic<bool>* stop = nullptr);

  /// One step.  Returns the loss of its batch, before the step.
  double step();

  /// Mean loss over random batches of the validation part, always the same ones.
  double validation_loss(long batches) const;

  long steps_done() const { return steps_done_; }
  const optimiser& optimiser_state() const { return optimiser_; }

 private:
  bool finished() const;
  void report(bool last);
  void after_step();
  double seconds_since_start() const;
  double elapsed_share() const;

  decoder& model_;
  split_text text_;
  training_options options_;
  optimiser optimiser_;
  long steps_done_ = 0;
  training_progress progress_;

  using clock = std::chrono::steady_clock;
  clock::time_point start_ = clock::now();
  double working_seconds_ = 0;  // spent in steps
  double reported_seconds_ = 0;
  long reported_steps_ = 0;
};

}  // namespace qkv
