// qkv train --images, --sounds, --labelled: a model learns to tell classes apart.
#include <fmt/format.h>

#include <algorithm>

#include "apps/cli/differences.h"
#include "apps/cli/lessons.h"
#include "apps/cli/model_file.h"
#include "qkv/train/classification.h"
#include "qkv/train/classifier.h"

namespace qkv::cli {
namespace {

encoder_config config_for(const train_flags& flags, const lessons& all) {
  encoder_config config;
  flags.choices.set_all(config);
  flags.sizes.set_shared(config);
  // A token that stands for all has to look at all.
  const bool attends = config.mixer == nn::mixer_kind::attention;
  config.pooling = flags.choices.pooling.value_or(attends ? pooling::class_token : pooling::mean);
  if (flags.sizes.layers) config.layers = *flags.sizes.layers;
  config.classes = long(all.senses.classes.size());
  config.context = all.tokens;
  if (all.senses.text) config.vocabulary = all.senses.text->vocabulary_size();
  if (all.senses.picture) config.patch_width = all.senses.picture->patch_width();
  if (all.senses.sound) config.frame_width = all.senses.sound->frame_width();
  return config;
}

/// What serves some thousand to some ten thousand examples well.
training_options usual_options(long examples) {
  training_options options;
  options.batch = 64;
  options.final_share = 0.01;
  options.warm_up = 200;
  options.label_smoothing = 0.1;
  options.interim_batches = options.final_batches = 0;
  const double epochs = std::clamp(4e5 / double(examples), 10.0, 100.0);
  options.steps = std::max(1L, long(epochs * double(examples) / double(options.batch)));
  options.validate_every = options.checkpoint_every = 0;  // ten times, unless told otherwise
  return options;
}

classifier fresh(const train_flags& flags, const training_run& run, const lessons& all) {
  const long examples = all.learn->size();
  const training_options options = flags.run.given(usual_options(examples));
  const training_options training = run.fresh_options(usual_options(examples), std::max(1L, examples / options.batch));
  return {encoder_classifier(config_for(flags, all), training.seed), all.senses, {.training = training}, {}};
}

void check_same_classes(const std::vector<std::string>& before, const std::vector<std::string>& now) {
  if (before == now) return;
  const std::string other = differences_in_words(before, now);
  throw usage_error(fmt::format("--resume: expected the classes that the run began with; found {}; name them as they "
                                "were, or begin anew with --replace",
                                other.empty() ? "them in another order" : other));
}

classifier resumed(const training_run& run, const stored_step& from, const lessons& all) {
  classifier old = load_classifier(from.model());
  if (old.training_state.empty())
    throw usage_error("--resume: expected a checkpoint with the optimiser's state; found weights only");
  check_same_classes(old.senses.classes, all.senses.classes);
  if (old.senses.picture != all.senses.picture || old.senses.sound != all.senses.sound)
    throw usage_error("--resume: expected the pictures and sounds that the run began with; found others");
  old.facts.training = run.resumed_options(old.facts);
  return old;
}

/// How often one class is taken for another, the commonest such mistake.
std::string commonest_mistake(const classification_score& score, const std::vector<std::string>& classes) {
  long most = 0;
  std::string text;
  for (long i = 0; i < long(classes.size()); ++i)
    for (long j = 0; j < long(classes.size()); ++j) {
      const long times = score.confusion.at<std::int32_t>(i, j);
      if (i == j || times <= most) continue;
      most = times;
      text = fmt::format("; most often {} for {}, {} times", classes[std::size_t(j)], classes[std::size_t(i)], times);
    }
  return text;
}

/// In between, a quick look at what is validated on; at the end the test as well, which chose nothing.
std::string sample_of(const classifier& c, const lessons& all, long tokens) {
  const bool at_the_end = tokens >= 300;
  const long count = at_the_end ? all.validate->size() : std::min(all.validate->size(), 500L);
  const classification_score score = tested(c.model, *all.validate, count);
  const std::string validated = fmt::format("{:.2f}% of {} to validate on are right", 100 * score.accuracy, count);
  if (!at_the_end) return validated + commonest_mistake(score, c.senses.classes);
  const classification_score last = tested(c.model, *all.test);
  return fmt::format("{:.2f}% of the test's {} are right{}\n{}", 100 * last.accuracy, all.test->size(),
                     commonest_mistake(last, c.senses.classes), validated);
}

}  // namespace

void train_classifier(const train_flags& flags, const output_options& output) {
  training_run run(flags.run, output);
  const classifier_senses old = run.resumed() ? load_classifier(run.resumed()->model()).senses : classifier_senses{};
  const lessons all = read_lessons(flags, run.resumed() && old.text ? &old : nullptr);
  classifier c = run.resumed() ? resumed(run, *run.resumed(), all) : fresh(flags, run, all);
  training_options& training = c.facts.training;
  const long tenth = std::clamp(training.steps / 10, 1L, 1000L);
  if (training.validate_every == 0) training.validate_every = tenth;
  if (training.checkpoint_every == 0) training.checkpoint_every = tenth;
  training.warm_up = std::min(training.warm_up, training.steps / 10 + 1);
  const classification_task task(c.model, *all.learn, *all.validate, training);
  const long parameters = nn::count_parameters(c.model);
  run.train({.task = task,
             .training = training,
             .state = std::move(c.training_state),
             .step = c.facts.step,
             .described = fmt::format("{} examples to learn from, {} to validate on, {} to test on, {} classes, up to "
                                      "{} tokens each\nmodel: {}",
                                      all.learn->size(), all.validate->size(), all.test->size(),
                                      c.senses.classes.size(), all.tokens, in_words(c.model.config(), parameters)),
             .save = [&](const std::filesystem::path& path, const training_facts& facts,
                         const named_tensors& more) { save_classifier(path, c.model, c.senses, facts, more); },
             .sample = [&](long tokens) { return sample_of(c, all, tokens); },
             .flops_of_a_target = 6 * double(parameters) * double(all.tokens),
             .unit = "examples",
             .add_to_result =
                 [&](nlohmann::ordered_json& result) {
                   const classification_score score = tested(c.model, *all.test);
                   result["accuracy"] = score.accuracy;
                   result["test_loss"] = score.loss;
                   result["validation_accuracy"] = tested(c.model, *all.validate).accuracy;
                   result["classes"] = c.senses.classes;
                 }});
}

}  // namespace qkv::cli
