// Dropout: numbers set to zero at random while training (Srivastava et al. 2014).
#pragma once
#include "qkv/nn/initialisation.h"
#include "qkv/nn/module.h"

namespace qkv::nn {

/// Each number survives with 1 - probability and is then divided by it.  What survives is a function of the mode's
/// seed and step and of this layer's own stream, so the same step drops the same numbers on any number of threads.
struct dropout {
  double probability = 0;
  std::uint64_t stream = 0;

  dropout() = default;
  dropout(double of_dropping, initialisation& init) : probability(of_dropping), stream(init.next_stream()) {
    if (!(probability >= 0 && probability <= 1))
      refuse("dropout", "a probability in 0 .. 1", std::to_string(probability));
  }

  bool acts(const forward_mode& mode) const { return mode.training && probability > 0; }
  variable operator()(const variable& x, const forward_mode& mode) const;
};

}  // namespace qkv::nn
