#include "qkv/models/encoder_classifier.h"

#include "qkv/autograd/loss.h"
#include "qkv/ops/softmax.h"

namespace qkv {

encoder_classifier::encoder_classifier(const encoder_config& config, std::uint64_t seed)
    : encoder_classifier(config, nn::initialisation(seed)) {}
encoder_classifier::encoder_classifier(const encoder_config& config)
    : encoder_classifier(config, nn::initialisation::of_zeros()) {}

encoder_classifier::encoder_classifier(const encoder_config& config, nn::initialisation init)
    : encoder_(config, init), head_(config.width, config.classes, true, init, init.deviation) {
  if (config.classes < 2) refuse("encoder_classifier", "at least 2 classes", std::to_string(config.classes));
}

variable encoder_classifier::logits(const encoder_batch& batch, const nn::forward_mode& mode) const {
  return head_(encoder_.pooled(encoder_(batch, mode), batch));
}

variable encoder_classifier::loss(const encoder_batch& batch, const tensor& targets, double smoothing,
                                  const nn::forward_mode& mode) const {
  return cross_entropy(logits(batch, mode), targets, {.smoothing = smoothing});
}

tensor encoder_classifier::probabilities(const encoder_batch& batch) const {
  const no_gradient values_only;
  return softmax_rows(logits(batch).value());
}

}  // namespace qkv
