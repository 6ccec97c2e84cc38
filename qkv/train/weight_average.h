// Weights averaged over a run: they stand nearer to the middle of where training wanders (Polyak & Juditsky 1992).
#pragma once
#include <vector>

#include "qkv/nn/module.h"
#include "qkv/train/named_state.h"

namespace qkv {

/// average = decay * average + (1 - decay) * weights, after every step; the decay grows with the steps up to its full
/// value, so that the beginning is soon forgotten: min(decay, (1 + step) / (10 + step)).
class weight_average {
 public:
  weight_average() = default;  ///< of nothing: every function does nothing
  explicit weight_average(std::vector<nn::named_parameter> parameters);

  /// @param step  steps done, from 1
  void add(double decay, long step);
  /// Puts the average in the weights' place and keeps the weights; the next call puts them back.
  void exchange();
  bool exchanged() const { return exchanged_; }

  /// What is not in place now, named optimiser.average.NAME.
  named_tensors state() const;
  /// Takes back what state() gave while the average was in place, as it now is in the model too.
  /// @throws file_error where one is missing, has another shape, or is not finite
  void load_state(const named_tensors& tensors);

 private:
  std::vector<nn::named_parameter> parameters_;
  std::vector<tensor> averages_;
  bool exchanged_ = false;
};

}  // namespace qkv
