// Learning to tell classes apart.
#pragma once
#include <functional>

#include "qkv/models/encoder_classifier.h"
#include "qkv/ops/cross_entropy.h"
#include "qkv/train/labelled_examples.h"
#include "qkv/train/learning_task.h"
#include "qkv/train/options.h"

namespace qkv {

/// How well a classifier does.
struct classification_score {
  double loss = 0;      ///< mean cross-entropy, in nats
  double accuracy = 0;  ///< share of examples whose likeliest class is theirs
  tensor confusion;     ///< [K, K] int32: how often row k was taken for column j
};

/// @param count  the first so many examples; 0: all   @param on_done  is told how many are tested; may be empty
classification_score tested(const encoder_classifier& model, const labelled_examples& examples, long count = 0,
                            const std::function<void(long)>& on_done = {});

class classification_task : public learning_task {
 public:
  /// Batches of options.batch, each epoch in an order of its own; every example is changed anew each time.
  /// The caller keeps model and examples alive.   @param options  batch, seed and label_smoothing count here
  classification_task(const encoder_classifier& model, const labelled_examples& learn,
                      const labelled_examples& validate, const training_options& options);

  std::vector<nn::named_parameter> parameters() const override { return nn::parameters_of(model_); }
  batch_loss loss(long number, const nn::forward_mode& mode) const override;
  double validation_loss(long batches) const override;
  double epochs_at(long number) const override;

 private:
  long place_of(std::uint64_t number) const;

  const encoder_classifier& model_;
  const labelled_examples& learn_;
  const labelled_examples& validate_;
  double smoothing_;
  long batch_;
  std::uint64_t seed_;
  mutable long kept_epoch_ = -1;  // its order is kept
  mutable std::vector<long> order_;
};

}  // namespace qkv
