// Masked language modelling: an encoder learns to say what stands in the holes of a text.  Source: Devlin et al. 2019,
// section 3.1.
#pragma once
#include <functional>

#include "qkv/models/masked_language_model.h"
#include "qkv/train/data_order.h"
#include "qkv/train/learning_task.h"
#include "qkv/train/options.h"

namespace qkv {

/// How a model fills the holes of a whole text: in pieces of its context, end to end, each masked as a pure function of
/// the seed and its number, and at least one token of every 16 pieces asked for.
/// @param on_done  is told how many tokens are read; may be empty
/// @throws shape_error where the text has no token that may be asked for
filled_holes tested(const masked_language_model& model, std::span<const std::int32_t> text,
                    const masking_options& masking, std::uint64_t seed,
                    const std::function<void(long)>& on_done = {});

/// Pieces of the model's context from random places of the text, masked anew each time; the last tenth is for
/// validation, with masks that are always the same.
class masked_language_modelling : public learning_task {
 public:
  /// @param text  tokens; the caller keeps them, and the model, alive
  /// @throws shape_error where the text is too short for the model's context, or has no token that may be asked for
  masked_language_modelling(const masked_language_model& model, std::span<const std::int32_t> text,
                            const masking_options& masking, const training_options& options);

  std::vector<nn::named_parameter> parameters() const override { return nn::parameters_of(model_); }
  batch_loss loss(long number, const nn::forward_mode& mode) const override;
  double validation_loss(long batches) const override;
  double epochs_at(long number) const override;

 private:
  std::vector<masked_text> batch_from(std::span<const std::int32_t> text, std::uint64_t order, std::uint64_t masks,
                                      long number) const;

  const masked_language_model& model_;
  split_text text_;
  masking_options masking_;
  long sequences_;
  std::uint64_t seed_;
};

}  // namespace qkv
