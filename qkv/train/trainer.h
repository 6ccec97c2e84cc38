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
#include <optional>

#include "qkv/train/kept_weights.h"
#include "qkv/train/learning_task.h"
#include "qkv/train/not_finite.h"
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
  std::function<void(const not_finite_step&)> on_left_out;      ///< when a step was left out (options.on_not_finite)

  /// Goes on from a checkpoint: with the same options, data and instruction set, the steps that follow have the same
  /// bits as those of a run that was never interrupted.
  /// @throws file_error where the state does not fit the model
  void resume(long step, const named_tensors& state);

  /// Trains to the end of options.steps, options.seconds or options.patience, or until *stop is true, then validates
  /// (not when stopped) and reports.  Validation, on_sample, on_checkpoint and whoever uses the model afterwards find the averaged weights
  /// in it, where options.average asks for them.   @returns the last report
  ///
  /// A stop between the batches of one step (options.accumulate) leaves that step out: everything is as after the step
  /// before it, and a run that goes on from there takes the step's batches again.
  /// @throws not_finite_error  as step() does, after on_checkpoint has had the last good weights
  training_progress train(const std::atomic<bool>* stop = nullptr);

  /// One step.  Returns the mean loss over the targets of its batches, before the step.
  ///
  /// Where the loss or the gradient is not finite, options.on_not_finite decides.  stop: the weights go back to the
  /// last that are known to be good (kept every hundred steps, in memory), and so does steps_done().  skip: nothing is learned
  /// from the step, on_left_out is told, and NaN returned; a second such step in a row, or weights that are not finite,
  /// send the weights back as well.  After ten such steps without a hundred good ones between them it stops all the same.
  /// @throws not_finite_error  which names the operation and the weights where the first such number came up
  double step();

  long steps_done() const { return steps_done_; }
  long targets_of_latest_step() const { return targets_of_step_; }
  /// What resume() needs beside the weights, for on_checkpoint and after train(): the optimiser's moments, the best
  /// validation so far and, where options.average asks for it, the weights of the latest step.
  named_tensors state() const;

 private:
  bool finished() const;
  bool out_of_patience() const { return options_.patience > 0 && validations_since_best_ >= options_.patience; }
  void report(bool last);
  void after_step();
  /// Returns whether the loss is the lowest so far.
  bool validate(long batches);
  void save();
  /// step(), or nothing where *stop became true before its last batch: then nothing has changed.
  std::optional<double> step_until(const std::atomic<bool>* stop);
  std::optional<double> gradients_of_step(const std::atomic<bool>* stop);
  void drop_gradients(long batches);
  /// Goes on after numbers that are not finite, or throws.
  void recover(const std::string& found);
  void check_weights();
  std::vector<tensor> what_steps_change() const;
  double seconds_since_start() const;
  double elapsed_share() const;

  const learning_task& task_;
  training_options options_;
  optimiser optimiser_;
  weight_average average_;
  kept_weights kept_;
  long steps_done_ = 0;
  long saved_step_ = -1;
  long good_steps_ = 0, left_out_ = 0;  // in a row; without enough good ones between them
  long validations_since_best_ = 0;
  training_progress progress_;

  using clock = std::chrono::steady_clock;
  clock::time_point start_ = clock::now();
  double working_seconds_ = 0;  // spent in steps
  double reported_seconds_ = 0;
  long reported_steps_ = 0;
  long targets_of_step_ = 0;
  long targets_ = 0;  // learned from since the last report
};

}  // namespace qkv
