// AdamW over the parameters of a module.
#pragma once
#include <vector>

#include "qkv/nn/module.h"
#include "qkv/ops/adamw.h"
#include "qkv/train/named_state.h"
#include "qkv/train/options.h"

namespace qkv {

/// Source: Loshchilov & Hutter 2019; clipping: Pascanu et al. 2013.
class optimiser {
 public:
  /// Matrices are decayed, vectors (biases, norms) are not.
  explicit optimiser(std::vector<nn::named_parameter> parameters);

  /// One step along the gradients that backward() left, which are then forgotten.  Returns their norm before clipping.
  /// @param number  of the step, from 1   @param scale  of the gradients, for those added up over several batches
  /// @throws std::runtime_error where the gradient is not finite; the weights are left as they were
  double step(long number, double learning_rate, const training_options& options, double scale = 1);

  /// The moments, for a checkpoint: tensors named optimiser.first.NAME and optimiser.second.NAME.
  named_tensors state() const;
  /// Takes them back.   @throws file_error where one is missing or has another shape
  void load_state(const named_tensors& tensors);

 private:
  std::vector<tensor> take_gradients(const training_options& options);

  std::vector<nn::named_parameter> parameters_;
  std::vector<adamw_parameter> working_;
};

}  // namespace qkv
