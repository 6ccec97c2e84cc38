// Language modelling: a decoder learns to say what comes next in a text.
#pragma once
#include <span>

#include "qkv/models/decoder.h"
#include "qkv/train/data_order.h"
#include "qkv/train/learning_task.h"
#include "qkv/train/options.h"

namespace qkv {

/// Pieces of the model's context from random places of the text; the last tenth is for validation.
class language_modelling : public learning_task {
 public:
  /// @param text  tokens; the caller keeps them, and the model, alive
  /// @throws shape_error where the text is too short for the model's context
  language_modelling(const decoder& model, std::span<const std::int32_t> text, const training_options& options);

  std::vector<nn::named_parameter> parameters() const override { return nn::parameters_of(model_); }
  batch_loss loss(long number, const nn::forward_mode& mode) const override;
  double validation_loss(long batches) const override;
  double epochs_at(long number) const override;

 private:
  const decoder& model_;
  split_text text_;
  long sequences_;
  std::uint64_t seed_;
};

}  // namespace qkv
