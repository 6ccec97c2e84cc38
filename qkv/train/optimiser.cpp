#include "qkv/train/optimiser.h"

#include <algorithm>
#include <cmath>

#include "qkv/ops/squared_norm.h"

namespace qkv {
namespace {

constexpr auto first_prefix = "optimiser.first.", second_prefix = "optimiser.second.";

tensor zeros_like(const tensor& t) { return tensor(t.shape()); }

void load(const std::vector<std::pair<std::string, tensor>>& tensors, const std::string& name, const tensor& into) {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first == name; });
  if (found == tensors.end()) throw file_error("optimiser state: expected a tensor named " + name + "; found none");
  if (found->second.shape() != into.shape()) {
    throw file_error("optimiser state: expected " + name + " of shape " + to_string(into.shape()) + "; found " +
                     to_string(found->second.shape()));
  }
  into.copy_from(found->second);
}

[[noreturn]] void complain_of_step(long number, double squared_norm_found) {
  throw std::runtime_error("training: expected a finite gradient at step " + std::to_string(number) +
                           "; found a squared norm of " + std::to_string(squared_norm_found) +
                           "; the weights are left as they were (a lower learning rate or clipping may help)");
}

}  // namespace

optimiser::optimiser(std::vector<nn::named_parameter> parameters) : parameters_(std::move(parameters)) {
  for (const auto& p : parameters_) {
    working_.push_back({.value = p.value.value(),
                        .gradient = {},
                        .first_moment = zeros_like(p.value.value()),
                        .second_moment = zeros_like(p.value.value())});
  }
}

std::vector<tensor> optimiser::take_gradients(const training_options& options) {
  std::vector<tensor> gradients;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const tensor gradient = parameters_[i].value.gradient();
    if (gradient.empty()) {
      throw std::logic_error("optimiser: expected a gradient for " + parameters_[i].name +
                             "; found none (does the loss depend on it, and has backward been called?)");
    }
    parameters_[i].value.clear_gradient();
    working_[i].gradient = gradient;
    working_[i].weight_decay = gradient.rank() > 1 ? options.weight_decay : 0;
    gradients.push_back(gradient);
  }
  return gradients;
}

double optimiser::step(long number, double learning_rate, const training_options& options) {
  const double squared = squared_norm(take_gradients(options));
  if (!std::isfinite(squared)) complain_of_step(number, squared);
  adamw_step(working_, {.learning_rate = learning_rate,
                        .beta1 = options.beta1,
                        .beta2 = options.beta2,
                        .epsilon = options.epsilon,
                        .gradient_scale = options.clip > 0 ? clipping_factor(squared, options.clip) : 1,
                        .step = number});
  for (adamw_parameter& p : working_) p.gradient = tensor();
  return std::sqrt(squared);
}

std::vector<std::pair<std::string, tensor>> optimiser::state() const {
  std::vector<std::pair<std::string, tensor>> tensors;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    tensors.emplace_back(first_prefix + parameters_[i].name, working_[i].first_moment);
    tensors.emplace_back(second_prefix + parameters_[i].name, working_[i].second_moment);
  }
  return tensors;
}

void optimiser::load_state(const std::vector<std::pair<std::string, tensor>>& tensors) {
  if (tensors.size() != 2 * parameters_.size())
    throw file_error("optimiser state: expected " + std::to_string(2 * parameters_.size()) +
                     " tensors, two for each weight; found " + std::to_string(tensors.size()));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    load(tensors, first_prefix + parameters_[i].name, working_[i].first_moment);
    load(tensors, second_prefix + parameters_[i].name, working_[i].second_moment);
  }
}

}  // namespace qkv
