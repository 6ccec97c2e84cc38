#include "qkv/train/optimiser.h"

#include <algorithm>
#include <cmath>

#include "qkv/ops/squared_norm.h"

namespace qkv {
namespace {

constexpr auto first_prefix = "optimiser.first.", second_prefix = "optimiser.second.";

[[noreturn]] void complain_of_step(long number, double norm) {
  throw std::runtime_error("training: expected a finite gradient at step " + std::to_string(number) +
                           "; found a norm of " + std::to_string(norm) +
                           "; the weights are left as they were (a lower learning rate or clipping may help)");
}

bool in_numbered_layer(const std::string& name) {
  for (std::size_t from = 0, dot; (dot = name.find('.', from)) != std::string::npos; from = dot + 1) {
    const std::string part = name.substr(from, dot - from);
    if (!part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; })) return true;
  }
  return false;
}

}  // namespace

bool is_matrix_of_a_layer(const nn::named_parameter& p) {
  const bool filter = p.name.ends_with("convolution.weight") || p.name.ends_with("context.weight");
  return p.value.value().rank() == 2 && p.name.ends_with("weight") && !filter && in_numbered_layer(p.name);
}

optimiser::rule optimiser::rule_for(const nn::named_parameter& parameter, optimiser_kind kind) const {
  switch (kind) {
    case optimiser_kind::adam:
      return rule::adam;
    case optimiser_kind::sgd:
      return rule::sgd;
    case optimiser_kind::muon:
      return is_matrix_of_a_layer(parameter) ? rule::muon : rule::adamw;
    case optimiser_kind::adamw:
      break;
  }
  return rule::adamw;
}

optimiser::optimiser(std::vector<nn::named_parameter> parameters, optimiser_kind kind)
    : parameters_(std::move(parameters)) {
  for (const auto& p : parameters_) {
    const tensor& value = p.value.value();
    const rule follows = rule_for(p, kind);
    const bool two_moments = follows == rule::adamw || follows == rule::adam;
    working_.push_back({follows, value, {}, tensor(value.shape()), two_moments ? tensor(value.shape()) : tensor(),
                        value.rank() > 1 ? 1.0 : 0.0});
  }
}

double optimiser::take_gradients(double scale) {
  std::vector<tensor> gradients;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const tensor gradient = parameters_[i].value.gradient();
    if (gradient.empty()) {
      throw std::logic_error("optimiser: expected a gradient for " + parameters_[i].name +
                             "; found none (does the loss depend on it, and has backward been called?)");
    }
    parameters_[i].value.clear_gradient();
    working_[i].gradient = gradient;
    gradients.push_back(gradient);
  }
  scale_ = scale;
  squared_norm_ = squared_norm(gradients) * scale * scale;
  return std::sqrt(squared_norm_);
}

void optimiser::follow_gradients(long number, double learning_rate, const training_options& options) {
  const double scale = scale_ * (options.clip > 0 ? clipping_factor(squared_norm_, options.clip) : 1);
  std::vector<adamw_parameter> by_moments;
  std::vector<sgd_parameter> by_velocity;
  std::vector<muon_parameter> by_direction;
  for (const worked_on& w : working_) {
    const double decay = w.decay * options.weight_decay;
    if (w.follows == rule::sgd)
      by_velocity.push_back({w.value, w.gradient, w.first, decay});
    else if (w.follows == rule::muon)
      by_direction.push_back({w.value, w.gradient, w.first, decay});
    else
      by_moments.push_back({w.value, w.gradient, w.first, w.second, w.follows == rule::adamw ? decay : 0,
                            w.follows == rule::adam ? decay : 0});
  }
  adamw_step(by_moments, {.learning_rate = learning_rate,
                          .beta1 = options.beta1,
                          .beta2 = options.beta2,
                          .epsilon = options.epsilon,
                          .gradient_scale = scale,
                          .step = number});
  sgd_step(by_velocity, {.learning_rate = learning_rate, .momentum = options.momentum, .gradient_scale = scale});
  muon_step(by_direction, {.learning_rate = learning_rate, .momentum = options.momentum, .gradient_scale = scale});
  forget_gradients();
}

void optimiser::forget_gradients() {
  for (worked_on& w : working_) w.gradient = tensor();
}

double optimiser::step(long number, double learning_rate, const training_options& options, double scale) {
  const double norm = take_gradients(scale);
  if (!std::isfinite(norm)) complain_of_step(number, norm);
  follow_gradients(number, learning_rate, options);
  return norm;
}

named_tensors optimiser::state() const {
  named_tensors tensors;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    tensors.emplace_back(first_prefix + parameters_[i].name, working_[i].first);
    if (!working_[i].second.empty()) tensors.emplace_back(second_prefix + parameters_[i].name, working_[i].second);
  }
  return tensors;
}

void optimiser::load_state(const named_tensors& tensors) {
  const auto is_moment = [](const auto& t) {
    return t.first.starts_with(first_prefix) || t.first.starts_with(second_prefix);
  };
  const auto mine = state();
  const std::size_t moments = std::size_t(std::ranges::count_if(tensors, is_moment));
  if (moments != mine.size())
    throw file_error("training state: expected " + std::to_string(mine.size()) + " moments, those of " +
                     std::to_string(parameters_.size()) + " weights; found " + std::to_string(moments));
  for (const auto& [name, moment] : mine) load_finite(tensors, name, moment);
}

}  // namespace qkv
