// Learning to translate from pairs of texts.
#pragma once
#include "qkv/models/sequence_to_sequence.h"
#include "qkv/train/learning_task.h"
#include "qkv/train/options.h"

namespace qkv {

/// Texts as tokens, pair by pair; neither side holds the tokens that begin and end a text.
struct parallel_tokens {
  std::vector<std::vector<std::int32_t>> source, target;
};

/// The tokens between which a translation stands.
struct text_frame {
  std::int32_t begin = 0, end = 0;
};

/// What a model hears and should say.
text_pairs framed(std::span<const std::vector<std::int32_t>> source, std::span<const std::vector<std::int32_t>> target,
                  text_frame frame);
/// Sources alone, as start() reads them: each ends with the token that ends a text.
packed_tokens framed_sources(std::span<const std::vector<std::int32_t>> source, text_frame frame);

/// The pairs of each batch of an epoch: of like lengths, so that a batch does like work, in random order.  A pure
/// function of seed and epoch.
/// @param options  batch_tokens target tokens (begin and end included) in a batch, or, if that is 0, batch pairs
std::vector<std::vector<long>> batches_of_epoch(const parallel_tokens& pairs, const training_options& options,
                                                long epoch);

class translation_task : public learning_task {
 public:
  /// The caller keeps model and texts alive.   @param smoothing  label smoothing of the loss that is learned from
  /// @throws shape_error where sides have different numbers of texts, or there are none to learn from
  translation_task(const sequence_to_sequence& model, const parallel_tokens& learn, const parallel_tokens& validate,
                   text_frame frame, double smoothing, const training_options& options);

  std::vector<nn::named_parameter> parameters() const override { return model_.parameters(); }
  batch_loss loss(long number, const nn::forward_mode& mode) const override;
  /// Without smoothing.
  double validation_loss(long batches) const override;
  double epochs_at(long number) const override;

  /// Batches of the first epoch; others may have one or two more or less.
  long batches_an_epoch() const;

 private:
  struct place {
    long epoch, batch;
  };
  place place_of(long number) const;
  const std::vector<std::vector<long>>& epoch(long number) const;
  text_pairs pairs_of(const parallel_tokens& from, std::span<const long> which) const;

  const sequence_to_sequence& model_;
  const parallel_tokens& learn_;
  const parallel_tokens& validate_;
  text_frame frame_;
  double smoothing_;
  training_options options_;
  // The epochs' batches as far as the run has come: their number is needed to find the next, the latest is kept.
  mutable std::vector<long> first_batch_{0};
  mutable long kept_epoch_ = -1;
  mutable std::vector<std::vector<long>> kept_;
};

}  // namespace qkv
