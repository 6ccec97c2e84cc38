#include "qkv/models/masked_language_model.h"

#include <algorithm>

#include "qkv/autograd/autograd.h"

namespace qkv {

masked_text masked(std::span<const std::int32_t> tokens, long vocabulary, const masking_options& o,
                   random_stream random, std::uint64_t index) {
  masked_text text{{tokens.begin(), tokens.end()}, std::vector(tokens.size(), std::int32_t(ignored_target))};
  constexpr int bits_of_place = 24;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::uint64_t draw = 3 * ((index << bits_of_place) + i);
    if (tokens[i] < o.first_word || random.uniform(draw) >= o.share) continue;
    text.targets[i] = tokens[i];
    const double fate = random.uniform(draw + 1);
    if (fate < o.masked)
      text.tokens[i] = o.mask;
    else if (fate < o.masked + o.replaced)
      text.tokens[i] = o.first_word + std::int32_t(random.below(draw + 2, std::uint64_t(vocabulary - o.first_word)));
  }
  return text;
}

masked_language_model::masked_language_model(const encoder_config& config, std::uint64_t seed)
    : masked_language_model(config, nn::initialisation(seed)) {}
masked_language_model::masked_language_model(const encoder_config& config)
    : masked_language_model(config, nn::initialisation::of_zeros()) {}

masked_language_model::masked_language_model(const encoder_config& config, nn::initialisation init)
    : encoder_(config, init),
      layer_(config.width, config.width, true, init, init.deviation),
      norm_(config.norm, config.width, true),
      bias_(tensor({config.vocabulary}), needs_gradient) {
  if (config.vocabulary < 2) refuse("masked_language_model", "a vocabulary", std::to_string(config.vocabulary));
}

variable masked_language_model::predictions(const variable& hidden, std::vector<std::int32_t> places) const {
  const long count = long(places.size());
  const variable chosen =
      embedding(reshape(hidden, {hidden.dim(1), config().width}), tensor({count}, std::move(places)));
  return linear(norm_(gelu(layer_(chosen))), encoder_.tokens().weight, bias_);
}

masked_language_model::questions masked_language_model::questions_of(std::span<const masked_text> texts) const {
  std::vector<encoder_example> examples;
  for (const masked_text& text : texts) {
    if (text.tokens.size() != text.targets.size())
      refuse("masked_language_model", std::to_string(text.tokens.size()) + " targets, one for each token",
             std::to_string(text.targets.size()));
    examples.push_back({.text = text.tokens});
  }
  questions asked{encoder_.join(examples), {}, {}};
  const long before = config().pooling == pooling::class_token;
  for (std::size_t b = 0; b < texts.size(); ++b)
    for (std::size_t i = 0; i < texts[b].targets.size(); ++i) {
      if (texts[b].targets[i] == ignored_target) continue;
      asked.places.push_back(std::int32_t(asked.batch.offsets[b] + before + long(i)));
      asked.targets.push_back(texts[b].targets[i]);
    }
  if (asked.targets.empty()) refuse("masked_language_model", "at least one token that is asked for", "none");
  return asked;
}

variable masked_language_model::loss(std::span<const masked_text> texts, const nn::forward_mode& mode) const {
  questions asked = questions_of(texts);
  const long count = long(asked.targets.size());
  return cross_entropy(predictions(encoder_(asked.batch, mode), std::move(asked.places)),
                       tensor({count}, std::move(asked.targets)));
}

filled_holes masked_language_model::filled(std::span<const masked_text> texts) const {
  const no_gradient values_only;
  const questions asked = questions_of(texts);
  filled_holes all{.asked = long(asked.targets.size())};
  const tensor logits = predictions(encoder_(asked.batch, {}), asked.places).value();
  for (long i = 0; i < all.asked; ++i) {
    const auto row = logits.select(0, i).values<float>();
    all.right += std::ranges::max_element(row) - row.begin() == asked.targets[std::size_t(i)];
  }
  all.loss = double(cross_entropy(logits, tensor({all.asked}, asked.targets)).loss) * double(all.asked);
  return all;
}

tensor masked_language_model::logits(std::span<const std::int32_t> tokens) const {
  const no_gradient values_only;
  const encoder_example example{.text = {tokens.begin(), tokens.end()}};
  const encoder_batch batch = encoder_.join({&example, 1});
  std::vector<std::int32_t> places;
  for (long i = config().pooling == pooling::class_token; i < batch.tokens(); ++i) places.push_back(std::int32_t(i));
  return predictions(encoder_(batch, {}), std::move(places)).value();
}

}  // namespace qkv
