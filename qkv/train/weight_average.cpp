#include "qkv/train/weight_average.h"

#include <algorithm>

#include "qkv/ops/scale.h"

namespace qkv {
namespace {

constexpr auto prefix = "optimiser.average.";

}  // namespace

weight_average::weight_average(std::vector<nn::named_parameter> parameters) : parameters_(std::move(parameters)) {
  for (const auto& p : parameters_) averages_.push_back(p.value.value().clone());
}

void weight_average::add(double decay, long step) {
  const double now = std::min(decay, double(1 + step) / double(10 + step));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    scale_into(averages_[i], averages_[i], float(now));
    scale_into(averages_[i], parameters_[i].value.value(), float(1 - now), writing::add);
  }
}

void weight_average::exchange() {
  exchanged_ = !exchanged_;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto weights = parameters_[i].value.value().values<float>();
    std::swap_ranges(weights.begin(), weights.end(), averages_[i].values<float>().begin());
  }
}

named_tensors weight_average::state() const {
  named_tensors tensors;
  for (std::size_t i = 0; i < parameters_.size(); ++i) tensors.emplace_back(prefix + parameters_[i].name, averages_[i]);
  return tensors;
}

void weight_average::load_state(const named_tensors& tensors) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) load_finite(tensors, prefix + parameters_[i].name, averages_[i]);
  exchanged_ = !parameters_.empty();
}

}  // namespace qkv
