#include "qkv/train/options.h"

#include <algorithm>
#include <array>

#include "qkv/base/error.h"
#include "qkv/io/option_json.h"

namespace qkv {
namespace {

/// Every field with its name, for writing and for reading.
constexpr auto each_field = [](auto& o, auto see) {
  see("steps", o.steps);
  see("seconds", o.seconds);
  see("batch", o.batch);
  see("batch_tokens", o.batch_tokens);
  see("accumulate", o.accumulate);
  see("learning_rate", o.learning_rate);
  see("schedule", o.schedule, std::array{"cosine", "inverse_square_root", "warm_stable_decay", "constant"});
  see("final_share", o.final_share);
  see("warm_up", o.warm_up);
  see("optimiser", o.optimiser, std::array{"adamw", "adam", "sgd", "muon"});
  see("momentum", o.momentum);
  see("beta1", o.beta1);
  see("beta2", o.beta2);
  see("epsilon", o.epsilon);
  see("weight_decay", o.weight_decay);
  see("label_smoothing", o.label_smoothing);
  see("average", o.average);
  see("clip", o.clip);
  see("on_not_finite", o.on_not_finite, std::array{"stop", "skip"});
  see("recompute", o.recompute);
  see("seed", o.seed);
  see("report_every", o.report_every);
  see("validate_every", o.validate_every);
  see("patience", o.patience);
  see("interim_batches", o.interim_batches);
  see("final_batches", o.final_batches);
  see("sample_every", o.sample_every);
  see("checkpoint_every", o.checkpoint_every);
};

void need(bool holds, const std::string& expected, const std::string& found) {
  if (!holds) refuse("training options", expected, found);
}

}  // namespace

void check(const training_options& o) {
  need(o.steps >= 1, "at least 1 step", std::to_string(o.steps));
  need(o.batch >= 1, "at least 1 sequence in a batch", std::to_string(o.batch));
  need(o.batch_tokens >= 0, "a number of tokens of at least 0 in a batch", std::to_string(o.batch_tokens));
  need(o.accumulate >= 1, "at least 1 batch a step", std::to_string(o.accumulate));
  need(o.label_smoothing >= 0 && o.label_smoothing < 1, "label smoothing in 0 .. 1, without 1",
       std::to_string(o.label_smoothing));
  need(o.average >= 0 && o.average < 1, "an average's decay in 0 .. 1, without 1", std::to_string(o.average));
  need(o.seconds >= 0, "seconds of at least 0", std::to_string(o.seconds));
  need(o.learning_rate > 0 && o.learning_rate < 1e6, "a learning rate above 0", std::to_string(o.learning_rate));
  need(o.final_share >= 0 && o.final_share <= 1, "a final share in 0 .. 1", std::to_string(o.final_share));
  need(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1, "betas in 0 .. 1, without 1",
       std::to_string(o.beta1) + " and " + std::to_string(o.beta2));
  need(o.momentum >= 0 && o.momentum < 1, "momentum in 0 .. 1, without 1", std::to_string(o.momentum));
  need(o.epsilon > 0, "an epsilon above 0", std::to_string(o.epsilon));
  need(o.weight_decay >= 0, "a weight decay of at least 0", std::to_string(o.weight_decay));
  need(o.clip >= 0, "a largest gradient norm of at least 0", std::to_string(o.clip));
  for (const long every : {o.warm_up, o.report_every, o.validate_every, o.sample_every, o.checkpoint_every}) {
    need(every >= 0, "numbers of steps of at least 0", std::to_string(every));
  }
  need(o.patience >= 0, "a number of validations of at least 0", std::to_string(o.patience));
  for (const long batches : {o.interim_batches, o.final_batches})
    need(batches >= 0, "numbers of batches of at least 0", std::to_string(batches));
}

std::string to_json(const training_options& options) { return option_json::written(options, each_field); }

training_options training_options_from_json(const std::string& text) {
  return option_json::read_back<training_options>("training options", text, each_field);
}

}  // namespace qkv
