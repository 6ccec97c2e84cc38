// qkv train --source --target, and tasks for translators: a model learns to say texts otherwise.
#include <fmt/format.h>

#include "apps/cli/learned_tokenizer.h"
#include "apps/cli/model_file.h"
#include "apps/cli/parallel_lines.h"
#include "apps/cli/spoken_text.h"
#include "apps/cli/train_flags.h"
#include "qkv/generate/translate.h"
#include "qkv/tasks/task.h"
#include "qkv/tokens/characters.h"
#include "qkv/tokens/training.h"
#include "qkv/train/translator.h"

namespace qkv::cli {
namespace {

/// What is translated, and the sizes and options that serve it where the user gives none.
struct translation_lessons {
  parallel_lines learn, held_out;
  encoder_decoder_config model;
  training_options training;
  std::string characters = {};  ///< where they are the tokens; empty: tokens as the flags say
  bool exact = false;           ///< a translation is right or wrong
};

tokenizer tokenizer_for(const train_flags& flags, std::span<const std::string> texts) {
  return learned_tokenizer({.kind = flags.tokens.empty() ? "bpe" : flags.tokens,
                            .vocabulary = flags.vocabulary,
                            .lower_case = flags.lower_case},
                           texts, usual_special_tokens());
}

std::pair<tokenizer, tokenizer> tokenizers_for(const train_flags& flags, const translation_lessons& lessons) {
  const parallel_lines& lines = lessons.learn;
  if (!lessons.characters.empty()) {
    const tokenizer all = character_tokenizer(character_vocabulary(lessons.characters), usual_special_tokens());
    return {all, all};
  }
  if (flags.separate_vocabularies) return {tokenizer_for(flags, lines.source), tokenizer_for(flags, lines.target)};
  std::vector<std::string> both = lines.source;
  both.insert(both.end(), lines.target.begin(), lines.target.end());
  tokenizer shared = tokenizer_for(flags, both);
  return {shared, shared};
}

encoder_decoder_config config_for(const train_flags& flags, encoder_decoder_config config, const tokenizer& source,
                                  const tokenizer& target) {
  flags.choices.set_shared(config);
  flags.sizes.set_shared(config);
  if (flags.sizes.layers) config.encoder_layers = config.decoder_layers = *flags.sizes.layers;
  config.source_vocabulary = source.vocabulary_size();
  config.target_vocabulary = target.vocabulary_size();
  config.shared_vocabulary = !flags.separate_vocabularies;
  return config;
}

/// What serves a few ten thousand sentences well.
training_options usual_options() {
  training_options options;
  options.batch_tokens = 3000;
  options.learning_rate = 1.2e-3;
  options.final_share = 0.02;
  options.warm_up = 600;
  options.beta2 = 0.98;
  options.weight_decay = 0;
  options.label_smoothing = 0.1;
  options.average = 0.998;
  options.validate_every = 0;  // an epoch, unless told otherwise
  options.interim_batches = options.final_batches = 0;
  options.report_every = 20;
  return options;
}

recurrent_translator_config recurrent_config_for(const train_flags& flags, const tokenizer& source,
                                                 const tokenizer& target) {
  recurrent_translator_config config;
  config.alignment = flags.alignment;
  config.cell = flags.cell;
  config.bidirectional = !flags.one_direction;
  const size_flags& sizes = flags.sizes;
  if (sizes.layers) config.layers = *sizes.layers;
  if (sizes.width) config.width = *sizes.width;
  config.units = sizes.hidden ? *sizes.hidden : config.width;
  if (sizes.context) config.context = *sizes.context;
  if (sizes.dropout) config.dropout = *sizes.dropout;
  config.source_vocabulary = source.vocabulary_size();
  config.target_vocabulary = target.vocabulary_size();
  return config;
}

translator fresh(const train_flags& flags, const translation_lessons& lessons) {
  auto [source, target] = tokenizers_for(flags, lessons);
  const std::uint64_t seed = flags.run.given({}).seed;
  std::unique_ptr<sequence_to_sequence> model;
  if (flags.recurrent)
    model = std::make_unique<recurrent_translator>(recurrent_config_for(flags, source, target), seed);
  else
    model = std::make_unique<encoder_decoder>(config_for(flags, lessons.model, source, target), seed);
  return {std::move(model), std::move(source), std::move(target)};
}

translator resumed(const training_run& run, const stored_step& from) {
  translator old = load_translator(from.model());
  if (old.training_state.empty())
    throw usage_error("--resume: expected a checkpoint with the optimiser's state; found weights only");
  old.facts.training = run.resumed_options(old.facts);
  return old;
}

/// Texts that are longer than the model's context cannot be learned from.
void drop_too_long(parallel_tokens& pairs, long context, const std::string& of) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < pairs.source.size(); ++i) {
    if (long(std::max(pairs.source[i].size(), pairs.target[i].size())) >= context) continue;
    std::swap(pairs.source[kept], pairs.source[i]);
    std::swap(pairs.target[kept++], pairs.target[i]);
  }
  if (kept < pairs.source.size())
    fmt::print(stderr, "qkv train: {} of {} pairs {} are longer than the model's context of {} tokens and left out\n",
               pairs.source.size() - kept, pairs.source.size(), of, context);
  pairs.source.resize(kept);
  pairs.target.resize(kept);
}

/// A few lines that the model has not learned from, as it translates them now.
std::string sample_of(const translator& t, const parallel_lines& lines, long tokens) {
  const std::size_t count = std::min(lines.source.size(), std::size_t(std::max(1L, tokens / 60)));
  const std::span texts(lines.source.data(), count);
  const auto said = translate(*t.model, t.source.encode_each(texts),
                              {.longest = 60, .begin = t.frame().begin, .end = t.frame().end});
  std::string out;
  for (std::size_t i = 0; i < count; ++i)
    out += fmt::format("{}\n  -> {}\n", texts[i], spoken(t.target, said[i].tokens));
  return out;
}

/// Products of a target token and of the source tokens that come with it, attention left out.
double flops_of_a_target(const sequence_to_sequence& model, double sources_a_target) {
  double of_source = 0, of_target = 0;
  for (const auto& p : model.parameters()) {
    const double size = double(p.value.value().size());
    if (p.name.starts_with("encoder.")) of_source += size;
    if (p.name.starts_with("decoder.")) of_target += size;
  }
  for (const auto& p : model.parameters())  // the embedding serves as the last product
    if (p.name == "target_tokens.weight") of_target += double(p.value.value().size());
  return 6 * (of_target + sources_a_target * of_source);
}

/// Share of texts whose likeliest translation is the expected one.
double share_said_right(const translator& t, const parallel_tokens& texts) {
  const auto said = translate(*t.model, texts.source, {.begin = t.frame().begin, .end = t.frame().end});
  long right = 0;
  for (std::size_t i = 0; i < said.size(); ++i) right += said[i].tokens == texts.target[i];
  return double(right) / double(said.size());
}

void train_on(const translation_lessons& lessons, const train_flags& flags, const output_options& output) {
  const auto& [lines, held_out, config, usual, characters, exact] = lessons;
  training_run run(flags.run, output);
  translator t = run.resumed() ? resumed(run, *run.resumed()) : fresh(flags, lessons);
  parallel_tokens learn = tokens_of(t.source, t.target, lines.source, lines.target);
  parallel_tokens validate = tokens_of(t.source, t.target, held_out.source, held_out.target);
  drop_too_long(learn, t.model->context(), "to learn from");
  drop_too_long(validate, t.model->context(), "to validate on");
  const training_options given = run.resumed() ? t.facts.training : flags.run.given(usual);
  const long batches = long(batches_of_epoch(learn, given, 0).size());
  training_options training = run.resumed() ? given : run.fresh_options(usual, batches);
  const long epoch = std::max(1L, batches / training.accumulate);
  if (training.validate_every == 0) training.validate_every = epoch;
  if (training.checkpoint_every == 0) training.checkpoint_every = epoch;
  const translation_task task(*t.model, learn, validate, t.frame(), training);
  double sources = 0, targets = 0;
  for (std::size_t i = 0; i < learn.source.size(); ++i)
    sources += double(learn.source[i].size()) + 1, targets += double(learn.target[i].size()) + 1;
  long parameters = 0;
  for (const auto& p : t.model->parameters()) parameters += p.value.value().size();
  run.train({.task = task,
             .training = training,
             .state = std::move(t.training_state),
             .step = t.facts.step,
             .described = fmt::format(
                 "{} pairs, {:.1f} and {:.1f} tokens each; {} batches an epoch; {} pairs to validate on\n"
                 "tokens: {}\nmodel: {}, {}",
                 learn.source.size(), sources / double(learn.source.size()), targets / double(learn.source.size()),
                 batches, validate.source.size(), t.target.in_words(), t.model->in_words(),
                 parameters_in_words(parameters)),
             .save =
                 [&](const std::filesystem::path& path, const training_facts& facts, const named_tensors& more) {
                   save_translator(path, *t.model, t.source, t.target, facts, more);
                 },
             .sample = [&](long tokens) { return sample_of(t, held_out, tokens); },
             .flops_of_a_target = flops_of_a_target(*t.model, sources / targets),
             .accuracy = exact ? [&] { return share_said_right(t, validate); } : std::function<double()>()});
}

parallel_lines lines_of_examples(std::vector<task_example> examples) {
  parallel_lines lines;
  for (const task_example& example : examples) {
    lines.source.push_back(example.front().given);
    lines.target.push_back(example.front().answer);
  }
  return lines;
}

/// So many that a usual run sees each about once.
parallel_lines lines_to_learn(const task& which, long length, std::uint64_t seed) {
  constexpr std::uint64_t count = 60'000;
  std::vector<task_example> examples;
  for (std::uint64_t i = 0; i < count; ++i)
    examples.push_back(example_of(which, length, task_side::learn, seed, i));
  return lines_of_examples(std::move(examples));
}

}  // namespace

void train_translator(const train_flags& flags, const output_options& output) {
  auto [lines, held_out] = read_parallel_lines(flags);
  encoder_decoder_config model;
  model.heads = 4;
  model.dropout = 0.3;
  train_on({std::move(lines), std::move(held_out), model, usual_options()}, flags, output);
}

void train_translator_on(const task& which, const train_flags& flags, const output_options& output) {
  const long length = flags.task_length.value_or(which.length);
  encoder_decoder_config model;
  model.context = which.size_of(length) + 2;
  model.encoder_layers = model.decoder_layers = 2;
  model.heads = 4;
  model.width = 64;
  model.hidden = 128;
  model.dropout = 0;
  training_options training = usual_options();
  training.steps = 1200;
  training.batch = 64;
  training.batch_tokens = 0;
  training.learning_rate = 4e-3;
  training.warm_up = 100;
  training.label_smoothing = 0;
  training.average = 0;
  training.validate_every = training.checkpoint_every = 250;
  train_on({lines_to_learn(which, length, flags.run.given({}).seed),
            lines_of_examples(held_out_examples(which, length, 1000)), model, training, which.characters, true},
           flags, output);
}

}  // namespace qkv::cli
