#include "qkv/train/answer_task.h"

#include <algorithm>

#include "qkv/ops/cross_entropy.h"

namespace qkv {
namespace {

long answers_of(const tensor& targets) {
  const auto all = targets.values<std::int32_t>();
  return long(all.size()) - std::ranges::count(all, std::int32_t(ignored_target));
}

std::int32_t likeliest(const tensor& logits, long row, long place) {
  const auto numbers = logits.select(0, row).select(0, place).values<float>();
  return std::int32_t(std::ranges::max_element(numbers) - numbers.begin());
}

/// Adds the answers of one row of a batch: neighbours that count are one.
void count_answers(const tensor& targets, const tensor& logits, long row, answer_score& score) {
  bool inside = false, right = true;
  const auto close = [&] {
    if (inside) ++score.answers, score.right += right;
    inside = false, right = true;
  };
  for (long t = 0; t < targets.dim(1); ++t) {
    const auto target = targets.at<std::int32_t>(row, t);
    if (target == ignored_target) {
      close();
      continue;
    }
    inside = true;
    right = right && likeliest(logits, row, t) == target;
  }
  close();
}

}  // namespace

token_batch batch_of(std::span<const answered_text> texts) {
  std::size_t longest = 0;
  for (const answered_text& text : texts) longest = std::max(longest, text.tokens.size());
  if (longest < 2) refuse("answers", "texts of at least two tokens", std::to_string(longest));
  const auto length = long(longest) - 1;
  token_batch batch{tensor({long(texts.size()), length}, dtype::int32),
                    tensor({long(texts.size()), length}, dtype::int32)};
  std::ranges::fill(batch.targets.values<std::int32_t>(), std::int32_t(ignored_target));
  for (std::size_t row = 0; row < texts.size(); ++row) {
    const auto& [tokens, is_answer] = texts[row];
    for (std::size_t t = 0; t + 1 < tokens.size(); ++t) {
      batch.tokens.at<std::int32_t>(long(row), long(t)) = tokens[t];
      if (is_answer[t + 1]) batch.targets.at<std::int32_t>(long(row), long(t)) = tokens[t + 1];
    }
  }
  if (answers_of(batch.targets) == 0) refuse("answers", "texts with something to say", "none");
  return batch;
}

answer_score answered(const decoder& model, std::span<const answered_text> texts, long at_once) {
  const no_gradient values_only;
  answer_score score;
  long tokens = 0;
  for (std::size_t from = 0; from < texts.size(); from += std::size_t(at_once)) {
    const auto batch = batch_of(texts.subspan(from, std::min(std::size_t(at_once), texts.size() - from)));
    const tensor logits = model.logits(batch.tokens);
    const auto [loss, count, ignored] = cross_entropy(logits, batch.targets);
    score.loss += loss * double(count);
    tokens += count;
    for (long row = 0; row < logits.dim(0); ++row) count_answers(batch.targets, logits, row, score);
  }
  score.loss /= double(tokens);
  return score;
}

answer_task::answer_task(const decoder& model, text_source learn, std::span<const answered_text> held_out,
                         const training_options& options)
    : model_(model), learn_(std::move(learn)), held_out_(held_out), batch_(options.batch) {
  if (held_out.empty()) refuse("answers", "at least one text held out", "none");
}

batch_loss answer_task::loss(long number, const nn::forward_mode& mode) const {
  std::vector<answered_text> texts;
  for (long i = 0; i < batch_; ++i) texts.push_back(learn_(std::uint64_t(number * batch_ + i)));
  const auto batch = batch_of(texts);
  return {model_.loss(batch.tokens, batch.targets, mode), answers_of(batch.targets)};
}

double answer_task::validation_loss(long batches) const {
  const auto most = batches > 0 ? std::size_t(batches * batch_) : held_out_.size();
  return answered(model_, held_out_.first(std::min(most, held_out_.size())), batch_).loss;
}

}  // namespace qkv
