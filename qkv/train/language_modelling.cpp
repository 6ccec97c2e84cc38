#include "qkv/train/language_modelling.h"

#include <algorithm>

#include "qkv/train/streams.h"

namespace qkv {

language_modelling::language_modelling(const decoder& model, std::span<const std::int32_t> text,
                                       const training_options& options)
    : model_(model), text_(split_for_validation(text)), sequences_(options.batch), seed_(options.seed) {
  const long shortest = std::min(long(text_.learn.size()), long(text_.validate.size()));
  if (shortest < model.config().context + 1) {
    refuse("trainer",
           "a text of which a tenth has at least " + std::to_string(model.config().context + 1) +
               " tokens, one more than the model's context",
           "one of " + std::to_string(text.size()) + " tokens");
  }
}

batch_loss language_modelling::loss(long number, const nn::forward_mode& mode) const {
  const auto batch =
      random_batch(text_.learn, sequences_, model_.config().context, {seed_, streams::data_order}, number);
  return {model_.loss(batch.tokens, batch.targets, mode), batch.targets.size()};
}

double language_modelling::validation_loss(long batches) const {
  const no_gradient values_only;
  if (batches == 0) batches = long(text_.validate.size()) / (sequences_ * model_.config().context) + 1;
  double sum = 0;
  for (long i = 0; i < batches; ++i) {
    const auto batch =
        random_batch(text_.validate, sequences_, model_.config().context, {seed_, streams::validation}, i);
    sum += model_.loss(batch.tokens, batch.targets).value().item();
  }
  return sum / double(batches);
}

double language_modelling::epochs_at(long number) const {
  return double(number) * double(sequences_ * model_.config().context) / double(text_.learn.size());
}

}  // namespace qkv
