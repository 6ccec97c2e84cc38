#include "qkv/train/masked_language_modelling.h"

#include <algorithm>

#include "qkv/train/streams.h"

namespace qkv {
namespace {

bool asks(const masked_text& text) {
  return std::ranges::any_of(text.targets, [](std::int32_t t) { return t != std::int32_t(ignored_target); });
}

/// Makes a hole of the first token that may be one, in the first text that has such: where no draw asked for any.
void ask_once(std::vector<masked_text>& texts, const masking_options& masking) {
  if (std::ranges::any_of(texts, asks)) return;
  for (masked_text& text : texts)
    for (std::size_t i = 0; i < text.tokens.size(); ++i) {
      if (text.tokens[i] < masking.first_word) continue;
      text.targets[i] = text.tokens[i];
      text.tokens[i] = masking.mask;
      return;
    }
}

void check_words(std::span<const std::int32_t> text, const masking_options& masking) {
  if (std::ranges::none_of(text, [&](std::int32_t t) { return t >= masking.first_word; }))
    refuse("masked_language_modelling", "a text with tokens that may be masked",
           text.empty() ? "none" : "special tokens only");
}

long targets_of(const std::vector<masked_text>& texts) {
  long count = 0;
  for (const masked_text& text : texts)
    count += std::ranges::count_if(text.targets, [](std::int32_t t) { return t != std::int32_t(ignored_target); });
  return count;
}

}  // namespace

masked_language_modelling::masked_language_modelling(const masked_language_model& model,
                                                     std::span<const std::int32_t> text, const masking_options& masking,
                                                     const training_options& options)
    : model_(model),
      text_(split_for_validation(text)),
      masking_(masking),
      sequences_(options.batch),
      seed_(options.seed) {
  const long shortest = std::min(long(text_.learn.size()), long(text_.validate.size()));
  if (shortest < model.config().context + 1)
    refuse("trainer",
           "a text of which a tenth has at least " + std::to_string(model.config().context + 1) +
               " tokens, one more than the model's context",
           "one of " + std::to_string(text.size()) + " tokens");
  for (const auto part : {text_.learn, text_.validate}) check_words(part, masking);
}

std::vector<masked_text> masked_language_modelling::batch_from(std::span<const std::int32_t> text, std::uint64_t order,
                                                               std::uint64_t masks, long number) const {
  const auto pieces = random_batch(text, sequences_, model_.config().context, {seed_, order}, number);
  std::vector<masked_text> texts;
  for (long i = 0; i < sequences_; ++i)
    texts.push_back(masked(pieces.tokens.select(0, i).values<std::int32_t>(), model_.config().vocabulary, masking_,
                           {seed_, masks}, std::uint64_t(number * sequences_ + i)));
  ask_once(texts, masking_);
  return texts;
}

batch_loss masked_language_modelling::loss(long number, const nn::forward_mode& mode) const {
  const auto texts = batch_from(text_.learn, streams::data_order, streams::changes, number);
  return {model_.loss(texts, mode), targets_of(texts)};
}

double masked_language_modelling::validation_loss(long batches) const {
  const no_gradient values_only;
  if (batches == 0) batches = long(text_.validate.size()) / (sequences_ * model_.config().context) + 1;
  double sum = 0;
  long targets = 0;
  for (long i = 0; i < batches; ++i) {
    const auto texts = batch_from(text_.validate, streams::validation, streams::masks, i);
    const long asked = targets_of(texts);
    sum += double(model_.loss(texts).value().item()) * double(asked);
    targets += asked;
  }
  return sum / double(targets);
}

double masked_language_modelling::epochs_at(long number) const {
  return double(number) * double(sequences_ * model_.config().context) / double(text_.learn.size());
}

filled_holes tested(const masked_language_model& model, std::span<const std::int32_t> text,
                    const masking_options& masking, std::uint64_t seed, const std::function<void(long)>& on_done) {
  constexpr long at_once = 16;
  check_words(text, masking);
  const encoder_config& config = model.config();
  const long context = config.context - (config.pooling == pooling::class_token), length = long(text.size());
  filled_holes all;
  std::vector<masked_text> texts;
  for (long piece = 0; piece * context < length; ++piece) {
    const long first = piece * context, end = std::min(first + context, length);
    texts.push_back(masked(text.subspan(std::size_t(first), std::size_t(end - first)), config.vocabulary, masking,
                           {seed, streams::masks}, std::uint64_t(piece)));
    if (end < length && long(texts.size()) < at_once) continue;
    ask_once(texts, masking);
    if (std::ranges::any_of(texts, asks)) {
      const filled_holes more = model.filled(texts);
      all.asked += more.asked, all.right += more.right, all.loss += more.loss;
    }
    if (on_done) on_done(end);
    texts.clear();
  }
  return all;
}

}  // namespace qkv
