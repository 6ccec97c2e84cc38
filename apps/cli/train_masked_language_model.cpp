// qkv train --text --masked: a small model learns to fill the holes of a text.
#include <fmt/format.h>

#include "apps/cli/json_lines.h"
#include "apps/cli/learned_tokenizer.h"
#include "apps/cli/masked_text_filling.h"
#include "apps/cli/model_file.h"
#include "apps/cli/spoken_text.h"
#include "apps/cli/train_flags.h"
#include "qkv/io/text_file.h"
#include "qkv/train/masked_language_modelling.h"

namespace qkv::cli {
namespace {

masked_model fresh(const train_flags& flags, const training_run& run, const std::string& text) {
  const tokenizer_choice choice{.kind = flags.tokens.empty() ? "words" : flags.tokens,
                                .vocabulary = flags.vocabulary,
                                .lower_case = flags.lower_case};
  tokenizer tokens = learned_tokenizer(choice, std::span(&text, 1), {mask_token});
  encoder_config config;
  flags.choices.set_all(config);
  flags.sizes.set_shared(config);
  if (flags.sizes.layers) config.layers = *flags.sizes.layers;
  config.vocabulary = tokens.vocabulary_size();
  config.pooling = pooling::mean;  // nothing is said of whole texts: no token for it
  const training_options training = run.fresh_options({.checkpoint_every = 500}, 0);
  masked_language_model model(config, training.seed);
  return {std::move(model), std::move(tokens), {.training = training}, {}};
}

masked_model resumed(const training_run& run, const stored_step& from) {
  masked_model old = load_masked_model(from.model());
  if (old.training_state.empty())
    throw usage_error("--resume: expected a checkpoint with the optimiser's state; found weights only");
  old.facts.training = run.resumed_options(old.facts);
  return old;
}

/// Tokens that it has not learned from, one of them a hole, and what it would write there.
std::string sample_of(const masked_model& m, const std::vector<std::int32_t>& tokens, long asked) {
  const long length = std::min(m.model.config().context, 16L), count = asked < 300 ? 2 : 5;
  const long first = long(tokens.size()) * 9 / 10;
  std::string text;
  for (long i = 0; i < count && first + (i + 1) * length <= long(tokens.size()); ++i) {
    std::vector<std::int32_t> piece(tokens.begin() + first + i * length, tokens.begin() + first + (i + 1) * length);
    std::int32_t& hole = piece[std::size_t(length / 2)];
    const std::int32_t was = hole;
    hole = masking_for(m.tokens).mask;
    const auto best = fillings_of(m, piece, length / 2, 1).front();
    std::string shown;
    for (const std::string& one : pieces_of(m.tokens, piece)) shown += one;
    text += fmt::format("{}\n  -> {} ({:.0f}%); it was {}\n", shown, best.text, 100 * best.probability,
                        piece_of(m.tokens, {}, was));
  }
  return text;
}

}  // namespace

void train_masked_language_model(const train_flags& flags, const output_options& output) {
  const std::string text =
      flags.field.empty() ? read_text(flags.text) : read_field(flags.text, flags.field, flags.skip_bad_lines);
  training_run run(flags.run, output);
  masked_model m = run.resumed() ? resumed(run, *run.resumed()) : fresh(flags, run, text);
  const auto tokens = m.tokens.encode(text);
  const masked_language_modelling task(m.model, tokens, masking_for(m.tokens), m.facts.training);
  const long parameters = nn::count_parameters(m.model);
  run.train({.task = task,
             .training = m.facts.training,
             .state = std::move(m.training_state),
             .step = m.facts.step,
             .described = fmt::format("{}: {} tokens ({}), 15 in 100 to be guessed from both sides\n"
                                      "model: {}",
                                      std::filesystem::path(flags.text).filename().string(), tokens.size(),
                                      m.tokens.in_words(), in_words(m.model.config(), parameters)),
             .save = [&](const std::filesystem::path& path, const training_facts& facts,
                         const named_tensors& more) { save_masked_model(path, m.model, m.tokens, facts, more); },
             .sample = [&](long count) { return sample_of(m, tokens, count); },
             .flops_of_a_target = 6 * double(parameters) / masking_options{}.share});
}

}  // namespace qkv::cli
