#include "qkv/train/trainer.h"

#include <algorithm>

#include "qkv/train/schedule.h"

namespace qkv {
namespace {

// Random streams of a run; those of dropout are numbered by the model's layers (nn/dropout.h), below 2^63.
constexpr std::uint64_t order_stream = std::uint64_t(1) << 63;
constexpr std::uint64_t validation_stream = order_stream + 1;

bool due(long step, long every) { return every > 0 && step % every == 0; }

}  // namespace

trainer::trainer(decoder& model, std::span<const std::int32_t> text, const training_options& options)
    : model_(model), text_(split_for_validation(text)), options_(options), optimiser_(nn::parameters_of(model)) {
  check(options);
  const long shortest = std::min(long(text_.learn.size()), long(text_.validate.size()));
  if (shortest < model.config().context + 1) {
    refuse("trainer",
           "a text of which a tenth has at least " + std::to_string(model.config().context + 1) +
               " tokens, one more than the model's context",
           "one of " + std::to_string(text.size()) + " tokens");
  }
}

void trainer::resume(long step, const std::vector<std::pair<std::string, tensor>>& optimiser_state) {
  optimiser_.load_state(optimiser_state);
  steps_done_ = step;
}

double trainer::step() {
  const random_stream order{options_.seed, order_stream};
  const auto batch = random_batch(text_.learn, options_.batch, model_.config().context, order, steps_done_);
  const variable loss = model_.loss(batch.tokens, batch.targets,
                                    {.training = true, .seed = options_.seed, .step = std::uint64_t(steps_done_)});
  backward(loss);
  progress_.learning_rate = learning_rate_at(steps_done_, options_, elapsed_share());
  progress_.gradient_norm = optimiser_.step(steps_done_ + 1, progress_.learning_rate, options_);
  ++steps_done_;
  return loss.value().item();
}

double trainer::validation_loss(long batches) const {
  const no_gradient values_only;
  const random_stream order{options_.seed, validation_stream};
  double sum = 0;
  for (long i = 0; i < batches; ++i) {
    const auto batch = random_batch(text_.validate, options_.batch, model_.config().context, order, i);
    sum += model_.loss(batch.tokens, batch.targets).value().item();
  }
  return sum / double(batches);
}

training_progress trainer::train(const std::atomic<bool>* stop) {
  start_ = clock::now();
  working_seconds_ = reported_seconds_ = 0;
  reported_steps_ = steps_done_;
  const auto stopped = [&] { return stop && stop->load(std::memory_order_relaxed); };
  while (!finished() && !stopped()) {
    const auto before = clock::now();
    progress_.loss = step();
    working_seconds_ += std::chrono::duration<double>(clock::now() - before).count();
    if (!finished() && !stopped()) after_step();
  }
  progress_.validated_now = !stopped();
  if (progress_.validated_now) progress_.validation_loss = validation_loss(options_.final_batches);
  report(true);
  if (on_checkpoint) on_checkpoint(progress_);
  return progress_;
}

void trainer::after_step() {
  progress_.validated_now = false;
  if (due(steps_done_, options_.validate_every)) {
    progress_.validation_loss = validation_loss(options_.interim_batches);
    progress_.validated_now = true;
  }
  if (progress_.validated_now || due(steps_done_, options_.report_every)) report(false);
  if (on_sample && due(steps_done_, options_.sample_every)) on_sample(progress_);
  if (on_checkpoint && due(steps_done_, options_.checkpoint_every)) on_checkpoint(progress_);
}

void trainer::report(bool last) {
  const long steps = steps_done_ - reported_steps_;
  const double seconds = working_seconds_ - reported_seconds_;
  progress_.step = steps_done_;
  progress_.steps = options_.steps;
  progress_.finished = last;
  progress_.seconds = seconds_since_start();
  if (steps > 0 && seconds > 0) {
    progress_.tokens_per_second = double(steps * options_.batch * model_.config().context) / seconds;
    progress_.seconds_left = seconds / double(steps) * double(options_.steps - steps_done_);
  }
  if (options_.seconds > 0) {
    progress_.seconds_left = std::clamp(options_.seconds - progress_.seconds, 0.0, progress_.seconds_left);
  }
  if (on_progress) on_progress(progress_);
  reported_steps_ = steps_done_;
  reported_seconds_ = working_seconds_;
}

bool trainer::finished() const { return steps_done_ >= options_.steps || elapsed_share() >= 1; }

double trainer::seconds_since_start() const { return std::chrono::duration<double>(clock::now() - start_).count(); }

double trainer::elapsed_share() const { return options_.seconds > 0 ? seconds_since_start() / options_.seconds : 0; }

}  // namespace qkv
