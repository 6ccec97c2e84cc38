// Learning to answer: texts of which only some tokens count, because only those can be known.
#pragma once
#include <functional>
#include <span>

#include "qkv/models/decoder.h"
#include "qkv/train/data_order.h"
#include "qkv/train/learning_task.h"
#include "qkv/train/options.h"

namespace qkv {

/// A text as tokens, and which of them the model must say, having read those before.
struct answered_text {
  std::vector<std::int32_t> tokens;
  std::vector<bool> is_answer;  ///< of each token; the first token is never one
};

/// Texts as a batch: shorter ones are filled up with tokens that nobody asks for, and targets that are no answers are
/// ignored_target.   @throws shape_error where there is nothing to say
token_batch batch_of(std::span<const answered_text> texts);

/// How well a model answers.  Tokens of an answer that stand together count as one, which is right when all of them are
/// the likeliest; the model reads the right ones as it goes, which for that question is the same as reading its own.
struct answer_score {
  double loss = 0;  ///< mean cross-entropy of the answers' tokens, in nats
  long right = 0, answers = 0;
  double accuracy() const { return double(right) / double(answers); }
};
answer_score answered(const decoder& model, std::span<const answered_text> texts, long at_once = 64);

class answer_task : public learning_task {
 public:
  /// Text `number` of those to learn from, of which there is no end.
  using text_source = std::function<answered_text(std::uint64_t number)>;

  /// Batches of options.batch texts.   @param held_out  to validate on; the caller keeps them, and the model, alive
  /// @throws shape_error where nothing is held out
  answer_task(const decoder& model, text_source learn, std::span<const answered_text> held_out,
              const training_options& options);

  std::vector<nn::named_parameter> parameters() const override { return nn::parameters_of(model_); }
  batch_loss loss(long number, const nn::forward_mode& mode) const override;
  double validation_loss(long batches) const override;

 private:
  const decoder& model_;
  text_source learn_;
  std::span<const answered_text> held_out_;
  long batch_;
};

}  // namespace qkv
