#include "apps/cli/seen_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/cli/masked_text_filling.h"
#include "apps/cli/model_file.h"
#include "apps/cli/spoken_text.h"
#include "qkv/io/text_file.h"
#include "qkv/io/utf8.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

constexpr std::int32_t class_token = -1;
constexpr const char* class_label = "[CLS]";  // as BERT calls it

/// The tokens of a text, which came with that option.
using cutting = std::function<std::vector<std::int32_t>(const std::string& option, const std::string& text)>;

// The text that was given, or of one from a file, which is as long as it is, as much as the model can read.
std::vector<std::int32_t> tokens_of(const attend_options& options, const tokenizer& all, long context,
                                    const cutting& cut) {
  if (options.text_file.empty()) {
    auto tokens = cut("--text", options.text);
    if (long(tokens.size()) > context)
      throw usage_error(fmt::format("--text: expected at most {} tokens, the context of this model; found {}", context,
                                    tokens.size()));
    return tokens;
  }
  // A token holds few characters: no more of the file is looked at than the context may need.
  const long characters = all.in_words().starts_with("characters") ? context : 64 * context;
  std::string text = read_text(options.text_file);
  std::size_t end = 0;
  for (long n = 0; n < characters && end < text.size(); ++n) next_code_point(text, end);
  text.resize(end);
  auto tokens = cut("--text-file", text);
  tokens.resize(std::min(tokens.size(), std::size_t(context)));
  return tokens;
}

std::string joined(const std::vector<std::string>& labels) {
  std::string text;
  for (const std::string& label : labels) text += label;
  return text;
}

/// How an encoder sees a text, behind its class token where it has one.
seen_text seen_by(const encoder& body, long parameters, const tokenizer& all, const std::vector<std::int32_t>& tokens) {
  const encoder_config& config = body.config();
  need_attention(config.mixer);
  const encoder_example example{.text = tokens};
  seen_text seen{.tokens = tokens,
                 .labels = pieces_of(all, tokens),
                 .text = joined(pieces_of(all, tokens)),
                 .links = {body.links(body.join({&example, 1})), body.even_rule(), sight::both_sides},
                 .weights_of = [body](const nn::attention_inputs& layer) { return body.attention_weights(layer); },
                 .model = in_words(config, parameters)};
  if (config.pooling == pooling::class_token) {
    seen.tokens.insert(seen.tokens.begin(), class_token);
    seen.labels.insert(seen.labels.begin(), class_label);
  }
  return seen;
}

}  // namespace

seen_text seen_by_language_model(const attend_options& options) {
  const language_model m = load_language_model(options.model);
  need_attention(m.model.config().mixer);
  const auto cut = [&](const std::string& option, const std::string& text) { return encode(m.tokens, option, text); };
  const auto tokens = tokens_of(options, m.tokens.all, m.model.config().context, cut);
  const auto length = long(tokens.size());
  return {.tokens = tokens,
          .labels = pieces_of(m.tokens.all, tokens),
          .text = joined(pieces_of(m.tokens.all, tokens)),
          .links = {m.model.links(tensor({1, length}, tokens)), m.model.even_rule(), sight::backwards},
          .weights_of = [model = m.model](const nn::attention_inputs& layer) { return model.attention_weights(layer); },
          .looking = length - 1,
          .model = in_words(m.model)};
}

seen_text seen_by_masked_model(const attend_options& options) {
  const masked_model m = load_masked_model(model_file_at(options.model));
  const auto cut = [&](const std::string& option, const std::string& text) {
    return encode({m.tokens}, option, without_space_before_holes(m.tokens, text), markers::as_tokens);
  };
  const encoder& body = m.model.body();
  const bool classes = body.config().pooling == pooling::class_token;
  const auto tokens = tokens_of(options, m.tokens, body.config().context - classes, cut);
  seen_text seen = seen_by(body, nn::count_parameters(m.model), m.tokens, tokens);
  const auto hole = std::ranges::find(seen.tokens, masking_for(m.tokens).mask);
  seen.looking = hole == seen.tokens.end() ? long(seen.tokens.size()) - 1 : hole - seen.tokens.begin();
  return seen;
}

seen_text seen_by_classifier(const attend_options& options, const classifier& c) {
  const auto cut = [&](const std::string& option, const std::string& text) {
    return encode({*c.senses.text}, option, text);
  };
  const encoder& body = c.model.body();
  const bool classes = body.config().pooling == pooling::class_token;
  const auto tokens = tokens_of(options, *c.senses.text, body.config().context - classes, cut);
  seen_text seen = seen_by(body, nn::count_parameters(c.model), *c.senses.text, tokens);
  if (!classes) seen.looking = long(seen.tokens.size()) - 1;
  const encoder_example example{.text = tokens};
  const tensor shares = c.model.probabilities(c.model.join({&example, 1}));
  const auto row = shares.select(0, 0).values<float>();
  const auto best = std::ranges::max_element(row) - row.begin();
  seen.answer = {c.senses.classes[std::size_t(best)], double(row[std::size_t(best)])};
  return seen;
}

}  // namespace qkv::cli
