// What gave a number that is not finite, found by taking the step again under a watch.
#pragma once
#include <stdexcept>
#include <string>

#include "qkv/train/learning_task.h"
#include "qkv/train/options.h"

namespace qkv {

/// A step whose loss or gradient was not finite.
struct not_finite_step {
  long step = 0;              ///< its number, from 1
  std::string found;          ///< "inf at [0, 3] of [4, 8], the outcome of linear, which reads blocks.0.mixer.weight"
  long back_to = -1;          ///< steps that the weights have now learned from; -1: they were left as they were
};
/// In one sentence.
std::string in_words(const not_finite_step& step);

/// The run ended for such a step; the weights are the last good ones.
struct not_finite_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The first weight with a number that is not finite; empty where there is none.
std::string not_finite_weight(const learning_task& task);

/// Where a step went wrong: a weight, or else the first operation, forward or backward, with such a number in its
/// outcome.  Takes the step's batches again, looking at everything; leaves no gradients.
/// @param first, count  the batches of the step
std::string where_not_finite(const learning_task& task, long first, long count, const training_options& options);

}  // namespace qkv
