// A training run as `qkv train` shows it, whatever is learned: its folder, its record, the bar, samples, checkpoints.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/cli/command.h"
#include "apps/cli/metrics_file.h"
#include "apps/cli/progress_line.h"
#include "qkv/train/model_file.h"
#include "qkv/train/run_folder.h"
#include "qkv/train/trainer.h"

namespace qkv::cli {

struct run_options {
  std::string out;
  /// Those of the user's options in the place of defaults.
  std::function<training_options(training_options)> given;
  /// Those that a resumed run may change: how it stops, in the place of the run's.
  std::function<training_options(training_options)> given_course;
  double epochs = 0;
  /// What a resumed run may not change, kept in the run's folder: the options that were given, and what is in the files.
  nlohmann::ordered_json begun_with = nlohmann::ordered_json::object();
  bool resume = false, replace = false, weights_only = false, dry_run = false;
  bool steps_given = false, seconds_given = false;
};

/// What is learned, and how it shows.
struct training_job {
  const learning_task& task;
  training_options training;
  named_tensors state = {};  ///< of the run that is resumed
  long step = 0;             ///< done by it
  std::string described;     ///< the data and the model, a line each
  std::function<void(const std::filesystem::path&, const training_facts&, const named_tensors&)> save;
  /// What the model makes of something, as it is now; about so many tokens.
  std::function<std::string(long tokens)> sample;
  double flops_of_a_target = 0;  ///< forward and backward, for --dry-run
  const char* unit = "tokens";   ///< what its targets are
  /// Share of the held-out answers that are right, as the model is now; measured with the validation loss.  May be empty.
  std::function<double()> accuracy = {};
  /// What else the result says to programs; may be empty.
  std::function<void(nlohmann::ordered_json&)> add_to_result = {};
};

// Files in a run's folder: the options that it began with, its record and the picture of it.
inline constexpr const char *options_name = "options.json", *metrics_name = "metrics.jsonl", *curve_name = "loss.svg";

class training_run {
 public:
  /// Opens the folder.   @throws usage_error where it holds a run and the user did not say what to do with it
  training_run(const run_options& options, const output_options& output);

  /// The checkpoint to go on from; nothing for a fresh run.
  const std::optional<stored_step>& resumed() const { return resumed_; }
  /// The options of a fresh run.
  /// @param defaults  of the kind of task   @param batches_an_epoch  0 where the task has no epochs
  training_options fresh_options(const training_options& defaults, long batches_an_epoch) const;
  /// The options of the run that is resumed, and how much further it goes.
  training_options resumed_options(const training_facts& facts) const;

  void train(const training_job& job);

 private:
  void estimate(const training_job& job) const;
  void report(const training_job& job, training_progress p);
  void save(const training_job& job, const trainer& run, const training_progress& p);
  void show_sample(const training_job& job, const std::string& title, long tokens);
  /// Puts the checkpoint's name before an error.
  void resume(trainer& run, const training_job& job) const;
  /// Puts what may be done about it behind an error.
  training_progress train_or_explain(trainer& run, const std::atomic<bool>& stop);
  long load_best(const training_job& job, const training_progress& last);
  void conclude(const training_job& job, const training_progress& last, bool stopped);

  const run_options& options_;
  const output_options& output_;
  std::optional<run_folder> folder_;  // none for --dry-run
  std::optional<stored_step> resumed_;
  std::optional<stored_step> latest_;  // saved by this run; before that, what it goes on from
  std::optional<metrics_file> metrics_;
  std::optional<progress_line> line_;
  double accuracy_ = std::numeric_limits<double>::quiet_NaN();  // the latest
};

}  // namespace qkv::cli
