#include "apps/cli/task_recipes.h"

namespace qkv::cli {
namespace {

training_options options_of(long steps, long batch, double learning_rate, long warm_up) {
  training_options options;
  options.steps = steps;
  options.batch = batch;
  options.learning_rate = learning_rate;
  options.final_share = 0.02;
  options.warm_up = warm_up;
  options.beta2 = 0.98;
  options.weight_decay = 0.01;
  options.interim_batches = options.final_batches = 0;
  return options;
}

// Heads of which the first half looks at near tokens from the start (Press et al. 2022) find the token before the one
// that was seen already about three times sooner than with positions that are learned.
const decoder_config heads_near_and_far{
    .layers = 2, .heads = 8, .width = 128, .hidden = 128, .positions = nn::position_kind::alibi};
// One head begins at the token before, by which a value comes to know its key; the other is free to look a key up.
const decoder_config one_near_head{
    .layers = 2, .heads = 2, .width = 128, .hidden = 128, .positions = nn::position_kind::local, .position_range = 4};
const decoder_config few_places{.layers = 2, .heads = 4, .width = 64, .hidden = 128};

}  // namespace

task_recipe recipe_of(const std::string& task) {
  if (task == "addition") return {few_places, options_of(2000, 128, 3e-3, 100), 1000};
  if (task == "recall") {
    training_options training = options_of(1200, 16, 1e-3, 50);
    training.weight_decay = 0;
    return {one_near_head, training, 100};
  }
  if (task == "induction") return {heads_near_and_far, options_of(1500, 16, 5e-3, 50), 500};
  return {few_places, options_of(2000, 64, 4e-3, 100), 1000};
}

}  // namespace qkv::cli
