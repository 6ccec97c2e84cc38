#include "qkv/train/trainer.h"

#include <algorithm>

#include "qkv/train/schedule.h"

namespace qkv {
namespace {

bool due(long step, long every) { return every > 0 && step % every == 0; }

}  // namespace

trainer::trainer(const learning_task& task, const training_options& options)
    : task_(task), options_(options), optimiser_(task.parameters()) {
  check(options);
  if (options.average > 0) average_ = weight_average(task.parameters());
}

void trainer::resume(long step, const named_tensors& state) {
  optimiser_.load_state(state);
  average_.load_state(state);
  progress_.step = steps_done_ = step;
}

named_tensors trainer::state() const {
  named_tensors all = optimiser_.state();
  for (auto& weights : average_.state()) all.push_back(std::move(weights));
  return all;
}

// Batches that a step adds up weigh by their targets, so that the sum is that of the one large batch they make up.
double trainer::step() {
  if (average_.exchanged()) average_.exchange();
  double loss_sum = 0;
  long targets = 0;
  for (long part = 0; part < options_.accumulate; ++part) {
    const long number = steps_done_ * options_.accumulate + part;
    const auto [mean, count] =
        task_.loss(number, {.training = true, .seed = options_.seed, .step = std::uint64_t(number)});
    options_.accumulate == 1 ? backward(mean) : backward(mean, tensor::full({}, double(count)));
    loss_sum += mean.value().item() * double(count);
    targets += count;
  }
  progress_.learning_rate = learning_rate_at(steps_done_, options_, elapsed_share());
  progress_.gradient_norm = optimiser_.step(steps_done_ + 1, progress_.learning_rate, options_,
                                            options_.accumulate == 1 ? 1 : 1 / double(targets));
  progress_.step = ++steps_done_;
  if (options_.average > 0) average_.add(options_.average, steps_done_);
  targets_of_step_ = targets;
  targets_ += targets;
  return loss_sum / double(targets);
}

training_progress trainer::train(const std::atomic<bool>* stop) {
  start_ = clock::now();
  working_seconds_ = reported_seconds_ = 0;
  reported_steps_ = steps_done_;
  targets_ = 0;
  const auto stopped = [&] { return stop && stop->load(std::memory_order_relaxed); };
  while (!finished() && !stopped()) {
    const auto before = clock::now();
    progress_.loss = step();
    working_seconds_ += std::chrono::duration<double>(clock::now() - before).count();
    if (!finished() && !stopped()) after_step();
  }
  if (!average_.exchanged()) average_.exchange();
  progress_.validated_now = !stopped();
  if (progress_.validated_now) progress_.validation_loss = task_.validation_loss(options_.final_batches);
  report(true);
  if (on_checkpoint) on_checkpoint(progress_);
  return progress_;
}

void trainer::after_step() {
  progress_.validated_now = false;
  const bool validate = due(steps_done_, options_.validate_every);
  const bool sample = on_sample && due(steps_done_, options_.sample_every);
  const bool save = on_checkpoint && due(steps_done_, options_.checkpoint_every);
  if (!validate && !sample && !save) return due(steps_done_, options_.report_every) ? report(false) : void();
  average_.exchange();
  if (validate) {
    progress_.validation_loss = task_.validation_loss(options_.interim_batches);
    progress_.validated_now = true;
  }
  if (progress_.validated_now || due(steps_done_, options_.report_every)) report(false);
  if (sample) on_sample(progress_);
  if (save) on_checkpoint(progress_);
  average_.exchange();
}

void trainer::report(bool last) {
  const long steps = steps_done_ - reported_steps_;
  const double seconds = working_seconds_ - reported_seconds_;
  progress_.steps = options_.steps;
  progress_.epochs = task_.epochs_at(steps_done_ * options_.accumulate);
  progress_.finished = last;
  progress_.seconds = seconds_since_start();
  if (steps > 0 && seconds > 0) {
    progress_.tokens_per_second = double(targets_) / seconds;
    progress_.seconds_left = seconds / double(steps) * double(options_.steps - steps_done_);
  }
  if (options_.seconds > 0) {
    progress_.seconds_left = std::clamp(options_.seconds - progress_.seconds, 0.0, progress_.seconds_left);
  }
  if (on_progress) on_progress(progress_);
  reported_steps_ = steps_done_;
  reported_seconds_ = working_seconds_;
  targets_ = 0;
}

bool trainer::finished() const { return steps_done_ >= options_.steps || elapsed_share() >= 1; }

double trainer::seconds_since_start() const { return std::chrono::duration<double>(clock::now() - start_).count(); }

double trainer::elapsed_share() const { return options_.seconds > 0 ? seconds_since_start() / options_.seconds : 0; }

}  // namespace qkv
