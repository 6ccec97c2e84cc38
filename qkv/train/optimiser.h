// How the parameters of a module follow their gradients: AdamW, Adam, gradient descent with momentum, or Muon.
#pragma once
#include <vector>

#include "qkv/nn/module.h"
#include "qkv/ops/adamw.h"
#include "qkv/ops/muon.h"
#include "qkv/ops/sgd.h"
#include "qkv/train/named_state.h"
#include "qkv/train/options.h"

namespace qkv {

/// Whether Muon steps a parameter: a matrix of a linear map inside a numbered layer.  Embeddings, the last product,
/// filters, biases and norms are left to AdamW, as Jordan et al. 2024 do.
bool is_matrix_of_a_layer(const nn::named_parameter& parameter);

/// Sources: optimiser_kind; clipping: Pascanu et al. 2013.
class optimiser {
 public:
  /// Matrices are decayed, vectors (biases, norms) are not.
  explicit optimiser(std::vector<nn::named_parameter> parameters, optimiser_kind kind = optimiser_kind::adamw);

  /// One step along the gradients that backward() left, which are then forgotten.  Returns their norm before clipping.
  /// @param number  of the step, from 1   @param scale  of the gradients, for those added up over several batches
  /// @throws std::runtime_error where the gradient is not finite; the weights are left as they were
  double step(long number, double learning_rate, const training_options& options, double scale = 1);

  // Its halves, for those who look at the norm before anything is changed.

  /// Takes the gradients that backward() left.  Returns the norm of `scale` times all of them.
  double take_gradients(double scale = 1);
  /// One step along the gradients taken, which are then forgotten.
  void follow_gradients(long number, double learning_rate, const training_options& options);
  void forget_gradients();

  /// What it remembers, for a checkpoint: the first moment (momentum, velocity) of every parameter as
  /// optimiser.first.NAME, and the second moment of those that have one as optimiser.second.NAME.
  named_tensors state() const;
  /// Takes them back.   @throws file_error where one is missing, is too many, has another shape, or is not finite
  void load_state(const named_tensors& tensors);

 private:
  enum class rule { adamw, adam, sgd, muon };
  struct worked_on {
    rule follows;
    tensor value, gradient, first, second;  // second is empty where the rule has none
    double decay;                           // 1 for matrices, 0 for vectors
  };
  rule rule_for(const nn::named_parameter& parameter, optimiser_kind kind) const;

  std::vector<nn::named_parameter> parameters_;
  std::vector<worked_on> working_;
  double scale_ = 1, squared_norm_ = 0;  // of the gradients taken
};

}  // namespace qkv
