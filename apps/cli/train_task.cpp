// qkv train --task: a small model learns something whose examples are made up.
#include <fmt/format.h>

#include <algorithm>

#include "apps/cli/task_recipes.h"
#include "apps/cli/train_decoder.h"
#include "apps/cli/train_flags.h"
#include "qkv/generate/generate.h"
#include "qkv/tasks/tasks.h"
#include "qkv/train/answer_task.h"

namespace qkv::cli {
namespace {

answered_text tokens_of(const character_vocabulary& vocabulary, const task_example& example) {
  answered_text text;
  const auto add = [&](const std::string& part, bool is_answer) {
    const auto tokens = vocabulary.encode(part);
    text.tokens.insert(text.tokens.end(), tokens.begin(), tokens.end());
    text.is_answer.resize(text.tokens.size(), is_answer);
  };
  for (const exchange& part : example) add(part.given, false), add(part.answer, true);
  return text;
}

decoder_config config_for(const train_flags& flags, const decoder_config& recipe, long longest) {
  decoder_config config = flags.language_model;
  config.layers = flags.sizes.layers.value_or(recipe.layers);
  config.heads = recipe.heads;
  config.width = recipe.width;
  config.hidden = recipe.hidden;
  config.context = longest;
  if (flags.choices.mixer.value_or(nn::mixer_kind::attention) == nn::mixer_kind::attention &&
      !flags.choices.positions) {
    config.positions = recipe.positions;
    config.position_range = recipe.position_range;
  }
  flags.choices.set_all(config);
  flags.sizes.set_shared(config);
  if (config.context < longest)
    throw usage_error(fmt::format("--context: expected at least {}, the characters of the task's longest example; found {}",
                                  longest, config.context));
  return config;
}

decoder_beginning resumed(const training_run& run, const character_vocabulary& vocabulary, long longest) {
  decoder_beginning old = resumed_decoder(run, *run.resumed());
  if (old.state.tokens.characters != vocabulary || old.state.model.config().context < longest)
    throw usage_error("--resume: expected the task and the length that the run began with; found others");
  return old;
}

/// The end of what is given, in one line.
std::string shortened(const std::string& text, const character_vocabulary& vocabulary) {
  constexpr std::size_t most = 40;
  auto tokens = vocabulary.encode(text);
  if (tokens.size() <= most) return text;
  return "... " + vocabulary.decode(std::span(tokens).last(most));
}

/// The first questions of a few examples, and what the model answers.
std::string sample_of(const language_model& m, std::span<const task_example> examples, long tokens) {
  std::string out;
  const character_vocabulary& vocabulary = *m.tokens.characters;
  for (const task_example& example : examples.first(std::min(examples.size(), std::size_t(tokens / 50 + 1)))) {
    const auto& [given, answer] = example.front();
    const long count = long(vocabulary.encode(answer).size());
    const std::string said = vocabulary.decode(
        generate(m.model, vocabulary.encode(given), {.tokens = count, .sampling = {.temperature = 0}, .stop = {}}));
    out += fmt::format("{} -> {}{}\n", shortened(given, vocabulary), visible(said, look::unicode),
                       said == answer ? "" : fmt::format("   (expected {})", visible(answer, look::unicode)));
  }
  return out;
}

void train_decoder_on(const task& which, const train_flags& flags, const output_options& output) {
  const long length = flags.task_length.value_or(which.length);
  const long longest = which.size_of(length);
  const task_recipe recipe = recipe_of(which.name);
  const character_vocabulary vocabulary(which.characters);
  const auto examples = held_out_examples(which, length, recipe.held_out);
  std::vector<answered_text> held_out;
  for (const task_example& example : examples) held_out.push_back(tokens_of(vocabulary, example));
  training_run run(flags.run, output);
  auto [state, training_state] =
      run.resumed() ? resumed(run, vocabulary, longest)
                    : fresh_decoder(config_for(flags, recipe.model, longest), vocabulary.to_json(),
                                    run.fresh_options(recipe.training, 0));
  const training_options& training = state.facts.training;
  const answer_task task(
      state.model,
      [&](std::uint64_t number) {
        return tokens_of(vocabulary, example_of(which, length, task_side::learn, training.seed, number));
      },
      held_out, training);
  double answers = 0;
  for (const answered_text& text : held_out) answers += double(std::ranges::count(text.is_answer, true));
  const double answers_a_text = answers / double(held_out.size());
  run.train({.task = task,
             .training = training,
             .state = std::move(training_state),
             .step = state.facts.step,
             .described = fmt::format("{}: {}; {}: {}; {} examples held out\nmodel: {}", which.name, which.what,
                                      which.of_length, length, held_out.size(), in_words(state.model)),
             .save =
                 [&](const std::filesystem::path& path, const training_facts& facts, const named_tensors& more) {
                   save_decoder(path, state, facts, more);
                 },
             .sample = [&](long tokens) { return sample_of(state, examples, tokens); },
             .flops_of_a_target = 6 * double(nn::count_parameters(state.model)) * double(longest) / answers_a_text,
             .accuracy = [&] { return answered(state.model, held_out).accuracy(); }});
}

}  // namespace

void train_task(const train_flags& flags, const output_options& output) {
  const task& which = task_named(flags.task);
  if (flags.task_length) check_length(which, *flags.task_length);
  if (which.translates) return train_translator_on(which, flags, output);
  train_decoder_on(which, flags, output);
}

}  // namespace qkv::cli
