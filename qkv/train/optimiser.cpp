#include "qkv/train/optimiser.h"

#include <algorithm>
#include <cmath>

#include "qkv/ops/squared_norm.h"

namespace qkv {
namespace {

constexpr auto first_prefix = "optimiser.first.", second_prefix = "optimiser.second.";

tensor zeros_like(const tensor& t) { return tensor(t.shape()); }

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

double optimiser::step(long number, double learning_rate, const training_options& options, double scale) {
  const double squared = squared_norm(take_gradients(options)) * scale * scale;
  if (!std::isfinite(squared)) complain_of_step(number, squared);
  adamw_step(working_, {.learning_rate = learning_rate,
                        .beta1 = options.beta1,
                        .beta2 = options.beta2,
                        .epsilon = options.epsilon,
                        .gradient_scale = scale * (options.clip > 0 ? clipping_factor(squared, options.clip) : 1),
                        .step = number});
  for (adamw_parameter& p : working_) p.gradient = tensor();
  return std::sqrt(squared);
}

named_tensors optimiser::state() const {
  named_tensors tensors;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    tensors.emplace_back(first_prefix + parameters_[i].name, working_[i].first_moment);
    tensors.emplace_back(second_prefix + parameters_[i].name, working_[i].second_moment);
  }
  return tensors;
}

void optimiser::load_state(const named_tensors& tensors) {
  const auto is_moment = [](const auto& t) {
    return t.first.starts_with(first_prefix) || t.first.starts_with(second_prefix);
  };
  const long moments = std::ranges::count_if(tensors, is_moment);
  if (moments != 2 * long(parameters_.size()))
    throw file_error("training state: expected " + std::to_string(2 * parameters_.size()) +
                     " moments, two for each weight; found " + std::to_string(moments));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    load_named(tensors, first_prefix + parameters_[i].name, working_[i].first_moment);
    load_named(tensors, second_prefix + parameters_[i].name, working_[i].second_moment);
  }
}

}  // namespace qkv
