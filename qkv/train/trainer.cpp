#include "qkv/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qkv/autograd/recompute.h"
#include "qkv/ops/squared_norm.h"
#include "qkv/train/schedule.h"

namespace qkv {
namespace {

constexpr long keep_every = 100;  // steps between looks at weights that are known to be good
constexpr auto best_name = "optimiser.best_validation";

bool is_set(const std::atomic<bool>* stop) { return stop && stop->load(std::memory_order_relaxed); }
bool due(long step, long every) { return every > 0 && step % every == 0; }

}  // namespace

trainer::trainer(const learning_task& task, const training_options& options)
    : task_(task), options_(options), optimiser_(task.parameters(), options.optimiser) {
  check(options);
  if (options.average > 0) average_ = weight_average(task.parameters());
}

void trainer::resume(long step, const named_tensors& state) {
  optimiser_.load_state(state);
  average_.load_state(state);
  if (std::ranges::find(state, best_name, &named_tensors::value_type::first) != state.end()) {
    const tensor best({3}, dtype::float64);
    load_named(state, best_name, best);
    progress_.best_loss = best.at<double>(0);
    progress_.best_step = long(best.at<double>(1));
    validations_since_best_ = long(best.at<double>(2));
  }
  progress_.step = steps_done_ = saved_step_ = step;
}

named_tensors trainer::state() const {
  named_tensors all = optimiser_.state();
  for (auto& weights : average_.state()) all.push_back(std::move(weights));
  if (!std::isnan(progress_.best_loss))
    all.emplace_back(best_name, tensor({3}, std::vector{progress_.best_loss, double(progress_.best_step),
                                                        double(validations_since_best_)}));
  return all;
}

// Batches that a step adds up weigh by their targets, so that the sum is that of the one large batch they make up.
std::optional<double> trainer::gradients_of_step(const std::atomic<bool>* stop) {
  const recomputing_blocks less_memory(options_.recompute);
  double loss_sum = 0;
  targets_of_step_ = 0;
  for (long part = 0; part < options_.accumulate; ++part) {
    if (part > 0 && is_set(stop)) return drop_gradients(part), std::nullopt;
    const long number = steps_done_ * options_.accumulate + part;
    const auto [mean, count] = task_.loss(number, mode_of_batch(number, options_));
    options_.accumulate == 1 ? backward(mean) : backward(mean, tensor::full({}, double(count)));
    loss_sum += mean.value().item() * double(count);
    targets_of_step_ += count;
  }
  return loss_sum / double(targets_of_step_);
}

void trainer::drop_gradients(long batches) {
  for (const auto& p : task_.parameters()) p.value.clear_gradient();
  progress_.dropped_batches = batches;
}

double trainer::step() { return *step_until(nullptr); }

std::optional<double> trainer::step_until(const std::atomic<bool>* stop) {
  if (average_.exchanged()) average_.exchange();
  const std::optional<double> loss = gradients_of_step(stop);
  if (!loss) return {};
  const double norm = optimiser_.take_gradients(options_.accumulate == 1 ? 1 : 1 / double(targets_of_step_));
  progress_.learning_rate = learning_rate_at(steps_done_, options_, elapsed_share());
  progress_.gradient_norm = norm;
  targets_ += targets_of_step_;
  if (!std::isfinite(*loss) || !std::isfinite(norm)) {
    optimiser_.forget_gradients();
    recover(where_not_finite(task_, steps_done_ * options_.accumulate, options_.accumulate, options_));
    progress_.step = ++steps_done_;
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (!kept_.any() || due(steps_done_, keep_every)) kept_.keep(steps_done_, what_steps_change());
  if (++good_steps_ >= keep_every) left_out_ = 0;
  optimiser_.follow_gradients(steps_done_ + 1, progress_.learning_rate, options_);
  progress_.step = ++steps_done_;
  if (options_.average > 0) average_.add(options_.average, steps_done_);
  return loss;
}

std::vector<tensor> trainer::what_steps_change() const {
  std::vector<tensor> all;
  for (const auto& p : task_.parameters()) all.push_back(p.value.value());
  for (const auto& [name, moment] : optimiser_.state()) all.push_back(moment);
  for (const auto& [name, weights] : average_.state()) all.push_back(weights);
  return all;
}

void trainer::recover(const std::string& found) {
  constexpr long most = 10;
  not_finite_step lost{.step = steps_done_ + 1, .found = found};
  const bool stop = options_.on_not_finite == not_finite_kind::stop || ++left_out_ > most;
  const bool doubtful = good_steps_ == 0 || !not_finite_weight(task_).empty();
  good_steps_ = 0;
  if (kept_.any() && (stop || doubtful)) {
    kept_.restore(what_steps_change());
    lost.back_to = kept_.step();
  }
  if (stop) {
    if (lost.back_to >= 0) progress_.step = steps_done_ = lost.back_to;
    throw not_finite_error(in_words(lost));
  }
  ++progress_.left_out;
  if (on_left_out) on_left_out(lost);
}

// Before weights are looked at or saved: a step can leave numbers behind that only the next one would trip over.
void trainer::check_weights() {
  std::vector<tensor> weights;
  for (const auto& p : task_.parameters()) weights.push_back(p.value.value());
  if (!std::isfinite(squared_norm(weights))) recover(not_finite_weight(task_));
}

training_progress trainer::train(const std::atomic<bool>* stop) try {
  start_ = clock::now();
  working_seconds_ = reported_seconds_ = 0;
  reported_steps_ = steps_done_;
  targets_ = 0;
  const auto stopped = [&] { return is_set(stop); };
  while (!finished() && !stopped()) {
    const auto before = clock::now();
    const std::optional<double> loss = step_until(stop);
    if (!loss) break;
    progress_.loss = *loss;
    working_seconds_ += std::chrono::duration<double>(clock::now() - before).count();
    if (!finished() && !stopped()) after_step();
  }
  if (!average_.exchanged()) check_weights(), average_.exchange();
  progress_.out_of_patience = out_of_patience();
  progress_.validated_now = !stopped();
  if (progress_.validated_now && !progress_.out_of_patience)
    validate(options_.patience > 0 ? options_.interim_batches : options_.final_batches);
  report(true);
  save();
  return progress_;
} catch (const not_finite_error&) {
  if (!average_.exchanged()) average_.exchange();
  progress_.validated_now = false;
  if (steps_done_ > saved_step_ && kept_.any()) save();
  throw;
}

bool trainer::validate(long batches) {
  progress_.validation_loss = task_.validation_loss(batches);
  progress_.validated_now = true;
  ++validations_since_best_;
  if (!(progress_.validation_loss < progress_.best_loss) && !std::isnan(progress_.best_loss)) return false;
  if (std::isnan(progress_.validation_loss)) return false;
  progress_.best_loss = progress_.validation_loss;
  progress_.best_step = steps_done_;
  validations_since_best_ = 0;
  return true;
}

void trainer::save() {
  saved_step_ = steps_done_;
  if (on_checkpoint) on_checkpoint(progress_);
}

void trainer::after_step() {
  progress_.validated_now = false;
  const bool look = due(steps_done_, options_.validate_every);
  const bool sample = on_sample && due(steps_done_, options_.sample_every);
  bool keep = on_checkpoint && due(steps_done_, options_.checkpoint_every);
  if (!look && !sample && !keep) return due(steps_done_, options_.report_every) ? report(false) : void();
  check_weights();
  average_.exchange();
  if (look && validate(options_.interim_batches)) keep |= options_.patience > 0;
  if (progress_.validated_now || due(steps_done_, options_.report_every)) report(false);
  if (sample) on_sample(progress_);
  if (keep && !out_of_patience()) save();
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

bool trainer::finished() const {
  return steps_done_ >= options_.steps || elapsed_share() >= 1 || out_of_patience();
}

double trainer::seconds_since_start() const { return std::chrono::duration<double>(clock::now() - start_).count(); }

double trainer::elapsed_share() const { return options_.seconds > 0 ? seconds_since_start() / options_.seconds : 0; }

}  // namespace qkv
