// The training loop.
//
//     decoder model(config, seed);
//     language_modelling task(model, tokens, options);
//     trainer run(task, options);
//     run.on_progress = [&](const training_progress& p) { ... };
//     run.train(&stop);                                    // a signal handler may set stop
//     save_checkpoint("model.safetensors", model, facts, run.state());
//
// Samples, checkpoints and the screen belong to the program; they come in as callbacks.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>

#include "qkv/train/learning_task.h"
#include "qkv/train/optimiser.h"
#include "qkv/train/options.h"
#include "qkv/train/progress.h"
#include "qkv/train/weight_average.h"

namespace qkv {

class trainer {
 public:
  /// @param task  what is learned; the caller keeps it alive
  /// @throws shape_error where options make no sense
  trainer(const learning_task& task, const training_options& options);

  std::function<void(const training_progress&)> on_progress;    ///< every report_every steps, and at the end
  std::function<void(const training_progress&)> on_sample;      ///< every sample_every steps
  std::function<void(const training_progress&)> on_checkpoint;  ///< every checkpoint_every steps, and at the end

  /// Goes on from a checkpoint: with the same options, data and instruction set, the steps that follow have the same
  /// bits as those of a run that was never interrupted.
  /// @throws file_error where the state does not fit the model
  void resume(long step, const named_tensors& state);

  /// Trains to the end of options.steps or options.seconds, or until *stop is true, then validates (not when stopped)
  /// and reports.  Validation, on_sample, on_checkpoint and whoever uses the model afterwards find the averaged weights
  /// in it, where options.average asks for them.   @returns the last report
  training_progress train(const std::atomic<bool>* stop = nullptr);

  /// One step.  Returns the mean loss over the targets of its batches, before the step.
  double step();

  long steps_done() const { return steps_done_; }
  /// What resume() needs beside the weights, for on_checkpoint and after train(): the optimiser's moments and, where
  /// options.average asks for it, the weights of the latest step.
  named_tensors state() const;

 private:
  bool finished() const;
  void report(bool last);
  void after_step();
  double seconds_since_start() const;
  double elapsed_share() const;

  const learning_task& task_;
  training_options options_;
  optimiser optimiser_;
  weight_average average_;
  long steps_done_ = 0;
  training_progress progress_;

  using clock = std::chrono::steady_clock;
  clock::time_point start_ = clock::now();
  double working_seconds_ = 0;  // spent in steps
  double reported_seconds_ = 0;
  long reported_steps_ = 0;
  long targets_ = 0;  // learned from since the last report
};

}  // namespace qkv
