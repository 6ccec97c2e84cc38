// qkv train: a small model learns to write like a text.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/curve_file.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/model_file.h"
#include "apps/cli/progress_line.h"
#include "apps/cli/written_text.h"
#include "qkv/generate/generate.h"
#include "qkv/io/atomic_file.h"
#include "qkv/io/text_file.h"
#include "qkv/train/checkpoint.h"
#include "qkv/train/language_modelling.h"
#include "qkv/train/trainer.h"

namespace qkv::cli {
namespace {

constexpr long no_limit = 1L << 40;

struct train_options {
  std::string text, out, curve;
  decoder_config model{};
  training_options training{.checkpoint_every = 500};
  bool resume = false, weights_only = false;
  bool steps_given = false, seconds_given = false;
};

// Everything that a run needs, whether it starts or goes on.
class training_session {
 public:
  training_session(const train_options& options, const output_options& output)
      : options_(options),
        output_(output),
        text_(read_text(options.text)),
        state_(beginning()),
        tokens_(encode(state_.vocabulary, options.text, text_)),
        task_(state_.model, tokens_, state_.facts.training),
        run_(task_, state_.facts.training),
        curve_(options.curve, options.resume),
        line_(state_.facts.training.seconds, output.quiet) {
    if (options.resume) run_.resume(state_.facts.step, resumed_);
    resumed_.clear();
  }

  void train();

 private:
  character_model beginning();
  void check_out_is_ours() const;
  void report(const training_progress& p);
  void save(const training_progress& p);
  std::string sample(long tokens) const;
  void show_sample(const std::string& title, long tokens);
  void conclude(const training_progress& last, bool stopped);

  const train_options& options_;
  const output_options& output_;
  std::string text_;
  named_tensors resumed_;  // what the checkpoint says of the training
  character_model state_;
  std::vector<std::int32_t> tokens_;
  language_modelling task_;
  trainer run_;
  curve_file curve_;
  progress_line line_;
};

character_model training_session::beginning() {
  check_out_is_ours();
  atomic_file probe(options_.out);  // says now, and not after an hour, that nothing can be written there
  training_options training = options_.training;
  if (options_.seconds_given && !options_.steps_given) training.steps = no_limit;
  if (!options_.resume) {
    character_vocabulary vocabulary(text_);
    decoder_config config = options_.model;
    config.vocabulary = vocabulary.size();
    checkpoint_facts facts{.vocabulary = vocabulary.to_json(), .training = training};
    return {decoder(config, training.seed), std::move(vocabulary), std::move(facts)};
  }
  checkpoint old = load_checkpoint(options_.out);
  if (old.training_state.empty())
    throw usage_error("--resume: expected a checkpoint with the optimiser's state; found weights only");
  resumed_ = std::move(old.training_state);
  training_options same = old.facts.training;
  if (options_.steps_given || options_.seconds_given) {
    same.steps = training.steps;
    same.seconds = training.seconds;
  }
  if (same.steps <= old.facts.step)
    throw usage_error(fmt::format("--steps: expected more than the {} steps that the checkpoint has done; found {}",
                                  old.facts.step, same.steps));
  old.facts.training = same;
  auto vocabulary = character_vocabulary::from_json(old.facts.vocabulary);
  return {std::move(old.model), std::move(vocabulary), std::move(old.facts)};
}

// A file that is there may only be replaced, or resumed from, if it is a checkpoint.
void training_session::check_out_is_ours() const {
  if (!std::filesystem::exists(options_.out)) {
    if (options_.resume) refuse_file(options_.out, "a checkpoint to resume from", "no file of that name");
    return;
  }
  if (options_.resume) return;
  try {
    load_checkpoint(options_.out);
  } catch (const file_error& error) {
    throw file_error(
        fmt::format("--out: a file is there and is no checkpoint, so it is not replaced ({})", error.what()));
  }
}

std::string training_session::sample(long count) const {
  const char32_t line_end = U'\n';
  const std::vector<std::int32_t> prompt =
      state_.vocabulary.contains(line_end) ? state_.vocabulary.encode("\n") : std::vector{tokens_.front()};
  const auto written = generate(state_.model, prompt, {.tokens = count, .sampling = {.temperature = 0.8}, .stop = {}});
  return state_.vocabulary.decode(written);
}

void training_session::show_sample(const std::string& title, long count) {
  line_.clear();
  if (output_.quiet || output_.json) return;
  fmt::print("{}\n", bold(title, look_of_terminal(stdout)));
  print_text(sample(count) + "\n\n");
}

void training_session::report(const training_progress& p) {
  line_.show(p);
  curve_.add(p);
}

void training_session::save(const training_progress& p) {
  checkpoint_facts facts = state_.facts;
  facts.step = p.step;
  facts.validation_loss = p.validation_loss;
  try {
    save_checkpoint(options_.out, state_.model, facts, options_.weights_only ? named_tensors() : run_.state());
  } catch (const file_error& error) {
    if (p.finished) throw;
    line_.clear();
    fmt::print(stderr, "qkv train: {}; the training goes on\n", error.what());
  }
}

void training_session::train() {
  const std::atomic<bool>& stop = stop_on_interrupt();
  if (!output_.quiet && !output_.json) {
    fmt::print("{}: {} characters, {} different\n", std::filesystem::path(options_.text).filename().string(),
               tokens_.size(), state_.vocabulary.size());
    fmt::print("model: {}\n\n", in_words(state_.model));
    std::fflush(stdout);
  }
  if (!options_.resume)
    show_sample("What it writes before it has learned anything:", 120);
  else if (!output_.quiet)
    fmt::print(stderr, "resuming at step {}\n", state_.facts.step);
  run_.on_progress = [this](const training_progress& p) { report(p); };
  run_.on_sample = [this](const training_progress& p) { show_sample(fmt::format("After {} steps:", p.step), 200); };
  run_.on_checkpoint = [this](const training_progress& p) { save(p); };
  const training_progress last = run_.train(&stop);
  conclude(last, stop);
}

void training_session::conclude(const training_progress& last, bool stopped) {
  line_.clear();
  if (output_.json) {
    const auto number = [](double x) { return std::isnan(x) ? nlohmann::ordered_json() : nlohmann::ordered_json(x); };
    const nlohmann::ordered_json result{{"checkpoint", options_.out},
                                        {"step", last.step},
                                        {"stopped", stopped},
                                        {"loss", number(last.loss)},
                                        {"validation_loss", number(last.validation_loss)},
                                        {"seconds", last.seconds},
                                        {"tokens_per_second", last.tokens_per_second},
                                        {"parameters", nn::count_parameters(state_.model)},
                                        {"sample", sample(200)}};
    fmt::print("{}\n", result.dump(1));
  } else {
    show_sample(fmt::format("What it writes after {} steps:", last.step), 400);
    if (stopped)
      fmt::print("Stopped at step {}; saved in {}. Add --resume to go on.\n", last.step, options_.out);
    else if (!output_.quiet)
      fmt::print("{} steps in {}, loss {:.3f}, validation loss {:.3f}; saved in {}\n", last.step,
                 in_clock(last.seconds), last.loss, last.validation_loss, options_.out);
  }
  curve_.close();
}

/// An option that is one of several words, in the order of an enum.
template <class Choice, std::size_t N>
CLI::Option* add_choice(CLI::App& command, const char* name, Choice& choice, const std::array<const char*, N>& words,
                        const char* description) {
  const std::vector<std::string> all(words.begin(), words.end());
  const auto choose = [&choice, all](const std::string& word) {
    choice = Choice(std::find(all.begin(), all.end(), word) - all.begin());
  };
  return command.add_option_function<std::string>(name, choose, description)
      ->check(CLI::IsMember(all))
      ->default_str(all[std::size_t(choice)]);
}

/// What the model is made of, beside its sizes.
std::vector<CLI::Option*> add_choices_of_model(CLI::App& command, decoder_config& model) {
  const auto number = CLI::Range(0L, 1L << 20);
  return {
      add_choice(command, "--mixer", model.mixer, mixer_words, "How tokens learn of each other"),
      command.add_option("--taps", model.taps, "Tokens that the mixer convolution sees")
          ->check(CLI::Range(1L, 1L << 20))
          ->capture_default_str(),
      command.add_option("--window", model.window, "Tokens see that many latest ones; 0: all before them")
          ->check(number)
          ->capture_default_str(),
      add_choice(command, "--positions", model.positions, position_words, "How places are told"),
      command
          .add_option("--position-range", model.position_range,
                      "Buckets of relative, distances of local positions; 0: 32 and 16")
          ->check(number)
          ->capture_default_str(),
      command.add_option("--key-heads", model.key_heads, "Heads of keys and values, shared in groups; 0: all")
          ->check(number)
          ->capture_default_str(),
      add_choice(command, "--shared-projections", model.shared_projections, shared_projections_words,
                 "Which of the projections of attention are one"),
      command
          .add_option("--query-context", model.query_context,
                      "Queries see that many latest tokens through a filter; 0: their own")
          ->check(number)
          ->capture_default_str(),
      command.add_flag("--adapted-keys", model.adapted_keys, "Keys adapt to the query, in a second pass"),
  };
}

}  // namespace

void add_train(CLI::App& program) {
  CLI::App& command = add_command(program, "train", "Train a small model on a text; Ctrl-C saves what it has learned",
                                  "qkv train --text FILE --out my.safetensors --seconds 600");
  const auto options = std::make_shared<train_options>();
  const auto output = std::make_shared<output_options>();
  decoder_config& model = options->model;
  training_options& training = options->training;
  const auto positive = CLI::Range(1L, 1L << 30);
  command.add_option("--text", options->text, "What to learn from, in UTF-8")->required();
  command
      .add_option("-o,--out", options->out,
                  "Checkpoint to write; an earlier one is replaced when the new one is complete")
      ->required()
      ->check(file_name());
  CLI::Option* steps =
      command.add_option("--steps", training.steps, "Steps in all")->check(positive)->capture_default_str();
  command
      .add_option("--seconds", training.seconds,
                  "Stop after that many seconds; without --steps, the only limit; 0: no limit of time")
      ->check(CLI::Range(0.0, 1e9));
  command.add_flag("--resume", options->resume, "Go on from the checkpoint --out");
  CLI::Option* sizes[] = {
      command.add_option("--layers", model.layers, "Layers")->check(CLI::Range(1L, 1024L))->capture_default_str(),
      command.add_option("--heads", model.heads, "Heads of a layer")
          ->check(CLI::Range(1L, 1024L))
          ->capture_default_str(),
      command.add_option("--width", model.width, "Width of the model, a multiple of the heads")
          ->check(CLI::Range(1L, 1L << 16))
          ->capture_default_str(),
      command.add_option("--context", model.context, "Tokens that it can look back on")
          ->check(CLI::Range(1L, 1L << 20))
          ->capture_default_str(),
      command.add_option("--dropout", model.dropout, "Share of numbers dropped while training")
          ->check(CLI::Range(0.0, 0.99))
          ->capture_default_str(),
      command.add_option("--batch", training.batch, "Sequences of a step")->check(positive)->capture_default_str(),
      command.add_option("--learning-rate", training.learning_rate, "At its highest; a cosine brings it down")
          ->check(CLI::Range(0.0, 100.0))
          ->capture_default_str(),
      command.add_option("--seed", training.seed, "Of weights, data order and dropout")->capture_default_str(),
  };
  for (CLI::Option* size : sizes) command.get_option("--resume")->excludes(size);
  for (CLI::Option* choice : add_choices_of_model(command, model)) command.get_option("--resume")->excludes(choice);
  command.add_option("--curve", options->curve, "Write a line of JSON for every report: the learning curve")
      ->check(file_name());
  command.add_option("--validate-every", training.validate_every, "Steps between validations; 0: only at the end")
      ->check(CLI::Range(0L, 1L << 30))
      ->capture_default_str();
  command
      .add_option("--sample-every", training.sample_every, "Steps between samples of its writing; 0: only at the end")
      ->check(CLI::Range(0L, 1L << 30))
      ->capture_default_str();
  command.add_option("--checkpoint-every", training.checkpoint_every, "Steps between checkpoints; 0: only at the end")
      ->check(CLI::Range(0L, 1L << 30))
      ->capture_default_str();
  command.add_flag("--weights-only", options->weights_only,
                   "Leave the optimiser's state out: a third of the size, but no --resume");
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output, steps] {
    options->steps_given = steps->count() > 0;
    options->seconds_given = options->training.seconds > 0;
    training_session(*options, *output).train();
  });
}

}  // namespace qkv::cli
