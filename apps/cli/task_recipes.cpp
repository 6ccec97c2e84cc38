#include "apps/cli/task_recipes.h"

namespace qkv::cli {
namespace {

training_options usual_options(long steps, long batch, double learning_rate) {
  training_options options;
  options.steps = steps;
  options.batch = batch;
  options.learning_rate = learning_rate;
  options.final_share = 0.02;
  options.beta2 = 0.98;
  options.weight_decay = 0.01;
  options.validate_every = 250;
  options.interim_batches = options.final_batches = 0;
  return options;
}

}  // namespace

task_recipe recipe_of(const std::string& task) {
  if (task == "addition")
    return {{.layers = 2, .heads = 4, .width = 64}, usual_options(3000, 256, 3e-3), 1000};
  if (task == "recall")
    return {{.layers = 2, .heads = 1, .width = 64, .positions = nn::position_kind::relative},
            usual_options(2000, 16, 3e-3),
            100};
  if (task == "induction")
    return {{.layers = 2, .heads = 2, .width = 64, .positions = nn::position_kind::relative},
            usual_options(1000, 32, 3e-3),
            1000};
  return {{.layers = 2, .heads = 2, .width = 64}, usual_options(2000, 64, 3e-3), 1000};
}

}  // namespace qkv::cli
