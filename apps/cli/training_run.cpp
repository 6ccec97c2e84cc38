#include "apps/cli/training_run.h"

#include <fmt/format.h>

#include <cmath>

#include "apps/cli/interrupt.h"
#include "apps/cli/loss_curve.h"
#include "apps/cli/memory_meter.h"
#include "apps/cli/written_text.h"
#include "qkv/io/text_file.h"

namespace qkv::cli {
namespace {

constexpr long no_limit = 1L << 40;

nlohmann::ordered_json number(double x) { return std::isnan(x) ? nlohmann::ordered_json() : nlohmann::ordered_json(x); }

long numbers_in(const std::vector<nn::named_parameter>& parameters) {
  long count = 0;
  for (const auto& p : parameters) count += p.value.value().size();
  return count;
}

/// What a stop between the batches of a step has cost.
std::string dropped_in_words(const training_job& job, const training_progress& p) {
  if (p.dropped_batches == 0) return "";
  return fmt::format(", without the {} of {} batches that were done of the next, which --resume takes again",
                     p.dropped_batches, job.training.accumulate);
}

}  // namespace

training_run::training_run(const run_options& options, const output_options& output)
    : options_(options), output_(output) {
  if (options.dry_run && options.resume)
    throw usage_error("--dry-run: expected a run that has not begun, without --resume; found both");
  if (options.dry_run) return;
  folder_.emplace(options.out);
  const auto newest = folder_->newest();
  if (options.resume) {
    if (!newest) refuse_file(options.out, "a checkpoint to resume from", "no valid one in this folder");
    resumed_ = latest_ = newest;
    for (const std::string& name : folder_->damaged_since_newest())
      fmt::print(stderr, "qkv train: {} is damaged: its files are not those of its manifest; step {} is taken\n", name,
                 newest->step);
  } else if (newest && !options.replace) {
    throw usage_error(fmt::format(
        "--out: expected a folder without a run; found one of {} steps in {} (--resume goes on from it, --replace begins "
        "anew)",
        newest->step, options.out));
  } else if (options.replace) {
    folder_->begin_anew({options_name, metrics_name, curve_name});
  }
}

training_options training_run::fresh_options(const training_options& defaults, long batches_an_epoch) const {
  training_options training = options_.given(defaults);
  if (options_.epochs > 0) {
    if (batches_an_epoch == 0) throw usage_error("--epochs: expected data with epochs; found data without an end or a text, which have none");
    training.steps = std::max(1L, long(options_.epochs * double(batches_an_epoch) / double(training.accumulate)));
  } else if (options_.seconds_given && !options_.steps_given) {
    training.steps = no_limit;
  }
  return training;
}

training_options training_run::resumed_options(const training_facts& facts) const {
  training_options training = facts.training;
  if (options_.steps_given || options_.seconds_given) {
    const training_options limits = options_.given({});
    training.steps = options_.steps_given ? limits.steps : no_limit;
    training.seconds = limits.seconds;
  }
  training = options_.given_course(training);
  if (training.steps <= facts.step)
    throw usage_error(fmt::format("--steps: expected more than the {} steps that the checkpoint has done; found {}",
                                  facts.step, training.steps));
  return training;
}

void training_run::report(const training_job& job, training_progress p) {
  if (p.validated_now && job.accuracy) accuracy_ = job.accuracy();
  p.accuracy = accuracy_;
  line_->show(p);
  metrics_->add(p);
}

void training_run::save(const training_job& job, const trainer& run, const training_progress& p) {
  const auto write = [&](const std::filesystem::path& to) {
    const training_facts facts{p.step, p.validation_loss, job.training};
    job.save(to, facts, options_.weights_only ? named_tensors() : run.state());
  };
  // A run that is stopped before it has done another step saves the latest again, which may have been validated.
  const double before = latest_ && latest_->step == p.step ? latest_->validation_loss : NAN;
  const double validation_loss = p.validated_now ? p.validation_loss : before;
  folder_->save(p.step, validation_loss, write);
  latest_ = {.step = p.step, .validation_loss = validation_loss, .folder = {}};
}

void training_run::show_sample(const training_job& job, const std::string& title, long tokens) {
  line_->clear();
  if (output_.quiet || output_.json) return;
  fmt::print("{}\n", bold(title, look_of_terminal(stdout)));
  print_text(job.sample(tokens) + "\n\n");
}

void training_run::train(const training_job& job) {
  if (options_.dry_run) return estimate(job);
  trainer run(job.task, job.training);
  if (job.step > 0) resume(run, job);
  if (!resumed_) write_text(folder_->path() / options_name, options_.begun_with.dump(1) + "\n");
  metrics_.emplace(folder_->path() / metrics_name, job.step);
  line_.emplace(job.training.seconds, output_.quiet, job.unit);
  const std::atomic<bool>& stop = stop_on_interrupt();
  if (!output_.quiet && !output_.json) {
    fmt::print("{}\n\n", job.described);
    std::fflush(stdout);
  }
  if (job.step == 0)
    show_sample(job, "What it says before it has learned anything:", 120);
  else if (!output_.quiet)
    fmt::print(stderr, "resuming at step {}\n", job.step);
  run.on_progress = [&](const training_progress& p) { report(job, p); };
  run.on_sample = [&](const training_progress& p) { show_sample(job, fmt::format("After {} steps:", p.step), 200); };
  run.on_checkpoint = [&](const training_progress& p) {
    try {
      save(job, run, p);
    } catch (const file_error& error) {
      if (p.finished) throw;
      line_->clear();
      fmt::print(stderr, "qkv train: {}; the training goes on\n", error.what());
    }
  };
  run.on_left_out = [&](const not_finite_step& step) {
    line_->clear();
    fmt::print(stderr, "qkv train: {}; its batch is left out\n", in_words(step));
  };
  const training_progress last = train_or_explain(run, stop);
  conclude(job, last, stop);
}

void training_run::resume(trainer& run, const training_job& job) const try {
  run.resume(job.step, job.state);
} catch (const file_error& error) { throw file_error(resumed_->model().string() + ": " + error.what()); }

training_progress training_run::train_or_explain(trainer& run, const std::atomic<bool>& stop) try {
  return run.train(&stop);
} catch (const not_finite_error& error) {
  line_->clear();
  const std::string saved = run.steps_done() > 0 ? fmt::format(", saved in {}", options_.out) : "";
  throw not_finite_error(fmt::format(
      "{}{} (a lower --learning-rate or --clip may help; --on-nan skip leaves such steps out)", error.what(), saved));
}

/// What the run ends with is what its folder is used for; returns the step of it.
long training_run::load_best(const training_job& job, const training_progress& last) {
  const auto best = folder_->best();
  if (!best || best->step == last.step) return last.step;
  model_reader(best->model()).load(job.task.parameters());
  if (job.accuracy) accuracy_ = job.accuracy();
  return best->step;
}

void training_run::conclude(const training_job& job, const training_progress& last, bool stopped) {
  line_->clear();
  const long used = stopped ? last.step : load_best(job, last);
  if (output_.json) {
    nlohmann::ordered_json result{{"run", options_.out},
                                        {"step", last.step},
                                        {"epochs", last.epochs},
                                        {"stopped", stopped},
                                        {"dropped_batches", last.dropped_batches},
                                        {"loss", number(last.loss)},
                                        {"validation_loss", number(last.validation_loss)},
                                        {"best_validation_loss", number(last.best_loss)},
                                        {"best_step", last.best_step},
                                        {"used_step", used},
                                        {"out_of_patience", last.out_of_patience},
                                        {"left_out", last.left_out},
                                        {"seconds", last.seconds},
                                        {"tokens_per_second", last.tokens_per_second},
                                        {"parameters", numbers_in(job.task.parameters())},
                                        {"sample", job.sample(200)}};
    if (job.accuracy) result["accuracy"] = number(accuracy_);
    if (job.add_to_result) job.add_to_result(result);
    fmt::print("{}\n", result.dump(1));
  } else {
    show_sample(job, fmt::format("What it says after {} steps:", used), 400);
    if (stopped)
      fmt::print("Stopped at step {}{}; saved in {}. Add --resume to go on.\n", last.step, dropped_in_words(job, last),
                 options_.out);
    else if (!output_.quiet)
      fmt::print("{} steps in {}, loss {:.3f}, validation loss {:.3f}{}; saved in {}\n", last.step,
                 in_clock(last.seconds), last.loss, last.validation_loss,
                 job.accuracy ? fmt::format(", {} of what was held out right", in_percent(accuracy_)) : "", options_.out);
    if (used != last.step && !output_.quiet)
      fmt::print("{}The lowest validation loss, {:.3f}, is that of step {}, whose weights are the ones that are used\n",
                 last.out_of_patience ? fmt::format("Out of patience after {} validations. ", job.training.patience)
                                      : "",
                 last.best_loss, used);
  }
  metrics_->close();
  const auto name = std::filesystem::path(options_.out).filename().string();
  write_text(folder_->path() / curve_name, loss_curve_svg(read_loss_points(folder_->path() / metrics_name), name));
}

/// What a run would take, from its first steps, which are taken and forgotten.
void training_run::estimate(const training_job& job) const {
  constexpr int steps = 4;
  const memory_meter memory;
  training_options few = job.training;
  few.seconds = 0;
  few.accumulate = std::min(few.accumulate, 2L);  // more batches a step take as much memory, and their share of time
  trainer run(job.task, few);
  long targets = 0;
  double seconds = 0;
  for (int i = 0; i < steps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run.step();
    if (i > 0) seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (i > 0) targets += run.targets_of_latest_step();
  }
  const double rate = double(targets) / seconds;
  const double step = seconds / (steps - 1) * double(job.training.accumulate) / double(few.accumulate);
  const long parameters = numbers_in(job.task.parameters());
  const double left = job.training.steps < no_limit ? step * double(job.training.steps - job.step) : job.training.seconds;
  if (output_.json) {
    const nlohmann::ordered_json result{{"parameters", parameters},
                                        {"flops_a_target", job.flops_of_a_target},
                                        {"memory_bytes", memory.peak()},
                                        {"targets_per_second", rate},
                                        {"seconds_a_step", step},
                                        {"steps", job.training.steps < no_limit ? nlohmann::ordered_json(job.training.steps)
                                                                                : nlohmann::ordered_json()},
                                        {"seconds", left}};
    return fmt::print("{}\n", result.dump(1));
  }
  fmt::print("{}\n\n", job.described);
  fmt::print("parameters     {}\n", parameters);
  fmt::print("work           {:.2f} MFLOP a target, {:.1f} GFLOP/s\n", job.flops_of_a_target / 1e6,
             job.flops_of_a_target * rate / 1e9);
  fmt::print("memory         {} beside the data and the weights\n", in_bytes(memory.peak()));
  fmt::print("speed          {:.0f} targets/s, {:.3f} s a step\n", rate, step);
  fmt::print("time           {}\n", in_clock(left));
}

}  // namespace qkv::cli
