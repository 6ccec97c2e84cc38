// qkv train --text: a small model learns to write like a text.
#include <fmt/format.h>

#include "apps/cli/json_lines.h"
#include "apps/cli/train_decoder.h"
#include "apps/cli/train_flags.h"
#include "qkv/generate/generate.h"
#include "qkv/io/text_file.h"
#include "qkv/train/language_modelling.h"

namespace qkv::cli {
namespace {

decoder_beginning fresh(const train_flags& flags, const training_run& run, const std::string& text) {
  decoder_config config = flags.language_model;
  flags.sizes.set_shared(config);
  if (flags.sizes.layers) config.layers = *flags.sizes.layers;
  return fresh_decoder(config, character_vocabulary(text), run.fresh_options({.checkpoint_every = 500}, 0));
}

std::string sample_of(const character_model& m, const std::vector<std::int32_t>& tokens, long count) {
  const std::vector<std::int32_t> prompt =
      m.vocabulary.contains(U'\n') ? m.vocabulary.encode("\n") : std::vector{tokens.front()};
  return m.vocabulary.decode(generate(m.model, prompt, {.tokens = count, .sampling = {.temperature = 0.8}, .stop = {}}));
}

}  // namespace

void train_language_model(const train_flags& flags, const output_options& output) {
  const std::string text =
      flags.field.empty() ? read_text(flags.text) : read_field(flags.text, flags.field, flags.skip_bad_lines);
  training_run run(flags.run, output);
  auto [state, training_state] = run.resumed() ? resumed_decoder(run, *run.resumed()) : fresh(flags, run, text);
  const auto tokens = encode(state.vocabulary, flags.text, text);
  const language_modelling task(state.model, tokens, state.facts.training);
  const auto& config = state.model.config();
  const auto name = std::filesystem::path(flags.text).filename().string();
  run.train({.task = task,
             .training = state.facts.training,
             .state = std::move(training_state),
             .step = state.facts.step,
             .described = fmt::format("{}: {} characters, {} different\nmodel: {}", name, tokens.size(),
                                      state.vocabulary.size(), in_words(state.model)),
             .save =
                 [&](const std::filesystem::path& path, const training_facts& facts, const named_tensors& more) {
                   save_decoder(path, state, facts, more);
                 },
             .sample = [&](long count) { return sample_of(state, tokens, count); },
             .flops_of_a_target = 6 * double(nn::count_parameters(state.model)) +
                                  double(config.layers) * 7 * double(config.width) * double(config.context + 1)});
}

}  // namespace qkv::cli
