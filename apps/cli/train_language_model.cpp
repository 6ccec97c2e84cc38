// qkv train --text: a small model learns to write like a text.
#include <fmt/format.h>

#include <memory>

#include "apps/cli/json_lines.h"
#include "apps/cli/learned_tokenizer.h"
#include "apps/cli/spoken_text.h"
#include "apps/cli/train_decoder.h"
#include "apps/cli/train_flags.h"
#include "qkv/generate/generate.h"
#include "qkv/io/mapped_text.h"
#include "qkv/train/language_modelling.h"

namespace qkv::cli {
namespace {

/// A file that the system reads as it is used, or what its lines of JSON hold.
class given_text {
 public:
  explicit given_text(const train_flags& flags) {
    if (flags.field.empty())
      mapped_ = std::make_unique<mapped_text>(flags.text);
    else
      held_ = read_field(flags.text, flags.field, flags.skip_bad_lines);
  }
  std::string_view view() const { return mapped_ ? mapped_->view() : held_; }

 private:
  std::unique_ptr<mapped_text> mapped_;
  std::string held_;
};

/// What tokens are learned from: the lines that begin within its first 64 MiB.
std::string beginning_of(std::string_view text) {
  constexpr std::size_t enough = 64 << 20;
  return std::string(text.substr(0, text.size() > enough ? text.find('\n', enough) : text.npos));
}

/// What the text is cut into, as a checkpoint keeps it.
std::string vocabulary_for(const train_flags& flags, std::string_view text) {
  const std::string& kind = flags.tokens;
  if ((kind.empty() || kind == "characters") && !flags.lower_case) return character_vocabulary(text).to_json();
  const std::string enough = beginning_of(text);
  return learned_tokenizer({.kind = kind.empty() ? "characters" : kind,
                            .vocabulary = flags.vocabulary,
                            .lower_case = flags.lower_case},
                           std::span(&enough, 1), {})
      .to_json();
}

decoder_beginning fresh(const train_flags& flags, const training_run& run, std::string_view text) {
  const std::string vocabulary = vocabulary_for(flags, text);
  decoder_config config = flags.language_model;
  flags.choices.set_all(config);
  flags.sizes.set_shared(config);
  if (flags.sizes.layers) config.layers = *flags.sizes.layers;
  return fresh_decoder(config, vocabulary, run.fresh_options({.checkpoint_every = 500}, 0));
}

std::string sample_of(const language_model& m, const std::vector<std::int32_t>& tokens, long count) {
  const bool knows_lines = !m.tokens.characters || m.tokens.characters->contains(U'\n');
  auto prompt = knows_lines ? m.tokens.all.encode("\n") : std::vector<std::int32_t>{};
  if (prompt.empty()) prompt = {tokens.front()};
  const auto written = generate(m.model, prompt, {.tokens = count, .sampling = {.temperature = 0.8}, .stop = {}});
  return spoken(m.tokens.all, written, prompt);
}

/// "letter.txt: 6000 characters, 42 different".
std::string in_words(const std::string& name, const language_model& m, const std::vector<std::int32_t>& tokens,
                     std::string_view text) {
  if (m.tokens.characters)
    return fmt::format("{}: {} characters, {} different", name, tokens.size(), m.tokens.characters->size());
  return fmt::format("{}: {} tokens ({}), {:.2f} bytes each", name, tokens.size(), m.tokens.all.in_words(),
                     double(text.size()) / double(tokens.size()));
}

}  // namespace

void train_language_model(const train_flags& flags, const output_options& output) {
  const given_text given(flags);
  const std::string_view text = given.view();
  training_run run(flags.run, output);
  auto [state, training_state] = run.resumed() ? resumed_decoder(run, *run.resumed()) : fresh(flags, run, text);
  const auto tokens = encode(state.tokens, flags.text, text);
  const language_modelling task(state.model, tokens, state.facts.training);
  const auto& config = state.model.config();
  const auto name = std::filesystem::path(flags.text).filename().string();
  run.train({.task = task,
             .training = state.facts.training,
             .state = std::move(training_state),
             .step = state.facts.step,
             .described = fmt::format("{}\nmodel: {}", in_words(name, state, tokens, text), in_words(state.model)),
             .save =
                 [&](const std::filesystem::path& path, const training_facts& facts, const named_tensors& more) {
                   save_decoder(path, state, facts, more);
                 },
             .sample = [&](long count) { return sample_of(state, tokens, count); },
             .flops_of_a_target = 6 * double(nn::count_parameters(state.model)) +
                                  double(config.layers) * 7 * double(config.width) * double(config.context + 1)});
}

}  // namespace qkv::cli
