// qkv train: models learn, from texts, from texts and their translations, from pictures and sounds, from examples made up.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <memory>

#include "apps/cli/command.h"
#include "apps/cli/given_option.h"
#include "apps/cli/data_record.h"
#include "apps/cli/learned_tokenizer.h"
#include "apps/cli/option_values.h"
#include "apps/cli/train_belongings.h"
#include "apps/cli/train_flags.h"
#include "apps/cli/train_model_options.h"
#include "apps/cli/train_presets.h"
#include "qkv/tasks/tasks.h"

namespace qkv::cli {
namespace {

using nlohmann::ordered_json;

const auto positive = CLI::Range(1L, 1L << 30);
const auto not_negative = CLI::Range(0L, 1L << 30);

/// Options that stand for fields of training_options: those the user gave replace a task's defaults.
class given_training_options {
 public:
  template <class T>
  CLI::Option* add(CLI::App& command, const std::string& name, T training_options::*field, const std::string& what) {
    CLI::Option* option = nullptr;
    if constexpr (std::is_same_v<T, bool>)
      option = command.add_flag(name, given_.*field, what);
    else
      option = command.add_option(name, given_.*field, what);
    return copied(option, field);
  }
  template <class T>
  CLI::Option* add(CLI::App& command, const std::string& name, T training_options::*field, const words_for<T>& choices,
                   const std::string& what) {
    return copied(add_choice(command, name, given_.*field, choices, what), field);
  }
  training_options over(training_options defaults) const {
    for (const auto& copy : copies_) copy(defaults);
    return defaults;
  }

 private:
  template <class T>
  CLI::Option* copied(CLI::Option* option, T training_options::*field) {
    copies_.push_back([this, option, field](training_options& to) {
      if (option->count() > 0) to.*field = given_.*field;
    });
    return option;
  }

  training_options given_;
  std::vector<std::function<void(training_options&)>> copies_;
};

std::string words_for_tasks() {
  std::string words;
  for (const std::string& name : names_of_tasks()) words += (words.empty() ? "" : ", ") + name;
  return words;
}

const words_for<schedule_kind> schedules{{"cosine", schedule_kind::half_cosine},
                                         {"inverse-square-root", schedule_kind::inverse_square_root},
                                         {"warm-stable-decay", schedule_kind::warm_stable_decay},
                                         {"constant", schedule_kind::constant}};

const words_for<optimiser_kind> optimisers{{"adamw", optimiser_kind::adamw},
                                           {"adam", optimiser_kind::adam},
                                           {"sgd", optimiser_kind::sgd},
                                           {"muon", optimiser_kind::muon}};

const words_for<not_finite_kind> ways_on{{"stop", not_finite_kind::stop}, {"skip", not_finite_kind::skip}};

void add_data(CLI::App& command, train_flags& flags) {
  const auto group = command.add_option_group("Data");
  CLI::Option* text = group->add_option("--text", flags.text, "A text to write like, in UTF-8");
  group->add_flag("--masked", flags.masked, "Learn to fill holes in it from both sides, in place of writing");
  group->add_option("--field", flags.field,
                    "Of --text, a file of JSON objects, one a line: their field that is the text");
  CLI::Option* source = group->add_option("--source", flags.source, "Texts to translate, one a line");
  CLI::Option* target = group->add_option("--target", flags.target, "Their translations, line by line");
  source->needs(target)->excludes(text);
  target->needs(source);
  CLI::Option* pairs = group->add_option("--pairs", flags.pairs,
                                         "Texts and translations in one file, in place of both: a tab between them, or "
                                         "FILE.jsonl, a JSON object a line");
  pairs->excludes(text)->excludes(source);
  group->add_option("--source-field", flags.source_field, "Of such an object")->capture_default_str();
  group->add_option("--target-field", flags.target_field, "Of such an object")->capture_default_str();
  CLI::Option* validation_source =
      group->add_option("--validation-source", flags.validation_source,
                        "Texts to validate on; none: one pair in fifty is kept apart for it")
          ->needs(source);
  validation_source->needs(
      group->add_option("--validation-target", flags.validation_target, "Their translations")->needs(validation_source));
  group->add_option("--validation-pairs", flags.validation_pairs, "Texts to validate on and their translations, in one file")
      ->needs(pairs);
  group->add_option("--labelled", flags.labelled, "Texts to tell apart, a line each: the class, a tab, the text")
      ->excludes(text)
      ->excludes(source)
      ->excludes(pairs);
  group->add_flag("--skip-bad-lines", flags.skip_bad_lines, "Leave out empty and damaged lines, and say how many");
}

void add_task(CLI::App& command, train_flags& flags) {
  const auto group = command.add_option_group("Tasks");
  CLI::Option* task = group->add_option("--task", flags.task, "Learn from examples that are made up: " + words_for_tasks())
                          ->check(one_of(names_of_tasks()).description(""));
  task->type_name("NAME");
  group->add_option("--task-length", flags.task_length, "How long its examples are")->needs(task);
}

void add_senses(CLI::App& command, train_flags& flags) {
  const auto group = command.add_option_group("Pictures and sounds");
  CLI::Option* images =
      group->add_option("--images", flags.images,
                        "Pictures to tell apart: IDX files, or PNG and JPEG in a folder for each class");
  CLI::Option* sounds =
      group->add_option("--sounds", flags.sounds,
                        "Sounds to tell apart: WAV and FLAC in a folder for each class, or named CLASS_anything; with "
                        "--images: do a picture and a sound show the same?");
  group
      ->add_option("--validation-images", flags.validation_images,
                   "Pictures to validate on; none: a fiftieth of every class is kept apart, or a tenth")
      ->needs(images);
  group->add_option("--validation-sounds", flags.validation_sounds, "Sounds to validate on; none: as above")
      ->needs(sounds);
  group->add_option("--classes", flags.classes, "Names of the classes in their order, with commas between them")->delimiter(',');
  group->add_option("--picture-size", flags.picture_size, "Side of pictures from PNG and JPEG, in pixels")
      ->check(CLI::Range(1L, 1024L))
      ->capture_default_str();
  group->add_option("--patch", flags.patch, "Side of a picture's patch, in pixels")
      ->check(CLI::Range(1L, 1024L))
      ->capture_default_str();
  group->add_flag("--flip", flags.flip, "A mirrored picture shows the same");
}

std::vector<CLI::Option*> add_tokens(CLI::App& command, train_flags& flags) {
  const auto group = command.add_option_group("Tokens of texts");
  return {group
              ->add_option("--tokens", flags.tokens,
                           "What texts are cut into; none: characters of a text, byte pairs (bpe) of translations")
              ->check(one_of(token_kinds)),
          group->add_option("--vocabulary", flags.vocabulary, "Tokens of bpe, unigram and words, at most")
              ->check(positive)
              ->capture_default_str(),
          group->add_flag("--separate-vocabularies", flags.separate_vocabularies, "One for each side"),
          group->add_flag("--lower-case", flags.lower_case, "Do without capitals")};
}

std::vector<CLI::Option*> add_learning(CLI::App& command, given_training_options& given) {
  auto& group = *command.add_option_group("Learning");
  using o = training_options;
  return {given.add(group, "--batch", &o::batch, "Sequences of a batch")->check(positive),
          given.add(group, "--batch-tokens", &o::batch_tokens, "Translations: tokens of a batch; 0: --batch says its size")
              ->check(not_negative),
          given.add(group, "--accumulate", &o::accumulate, "Batches a step, added up as if they were one")
              ->check(positive),
          given.add(group, "--learning-rate", &o::learning_rate, "At its highest")->check(number_between(0, 100)),
          given.add(group, "--warm-up", &o::warm_up, "Steps until it is there")->check(not_negative),
          given.add(group, "--schedule", &o::schedule, schedules, "How the learning rate moves"),
          given.add(group, "--optimiser", &o::optimiser, optimisers,
                    "None: adamw; muon: matrices of layers along their orthogonal momentum, the rest by adamw"),
          given.add(group, "--momentum", &o::momentum, "Of sgd and muon; none: 0.95")->check(number_between(0, 0.9999)),
          given.add(group, "--weight-decay", &o::weight_decay, "Of matrices")->check(number_between(0, 100)),
          given.add(group, "--clip", &o::clip, "Largest norm of a gradient; 0: any")->check(number_between(0, 1e9)),
          given.add(group, "--label-smoothing", &o::label_smoothing, "Share of a target that is spread over all others")
              ->check(number_between(0, 0.99)),
          given.add(group, "--average", &o::average, "Use weights averaged with this decay a step; 0: the latest")
              ->check(number_between(0, 0.9999999)),
          given.add(group, "--seed", &o::seed, "Of weights, data order and dropout")->check(a_seed())};
}

void add_course(CLI::App& command, run_options& run, given_training_options& course) {
  auto& group = *command.add_option_group("Course");
  using o = training_options;
  course.add(group, "--validate-every", &o::validate_every, "Steps between validations; 0: only at the end")
      ->check(not_negative);
  course.add(group, "--patience", &o::patience,
            "Stop after so many validations without a lower loss, and keep the best; 0: never")
      ->check(not_negative);
  course.add(group, "--recompute", &o::recompute,
             "Keep only the inputs of layers for the way back, and run them again: less memory, the same bits");
  course.add(group, "--on-nan", &o::on_not_finite, ways_on,
             "When a loss or a gradient is not finite: stop, with the last good weights saved; or skip the step, and "
             "stop after ten of them");
  course.add(group, "--sample-every", &o::sample_every, "Steps between samples of what it says; 0: only at the end")
      ->check(not_negative);
  course.add(group, "--checkpoint-every", &o::checkpoint_every, "Steps between checkpoints; 0: only at the end")
      ->check(not_negative);
  group.add_flag("--replace", run.replace, "Begin anew where a run is in --out already");
  group.add_flag("--weights-only", run.weights_only,
                 "Leave the optimiser's state out: a third of the size, but no --resume");
  group.add_flag("--dry-run", run.dry_run, "Say what it would take, and write nothing");
}

/// The help would say of every option which variable of the environment stands for it; its end says it once.
class formatter_without_variables : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text = CLI::Formatter::make_option_opts(option);
    const std::size_t from = text.find(" (" + get_label("Env") + ":");
    return from == std::string::npos ? text : text.erase(from, text.find(')', from) + 1 - from);
  }
};

/// QKV_TRAIN_LEARNING_RATE stands for --learning-rate, and so for every option.
void read_environment(CLI::App& command) {
  for (CLI::Option* option : command.get_options()) {
    if (!option->get_configurable()) continue;
    std::string name = "QKV_TRAIN_" + option->get_single_name();
    for (char& c : name) c = c == '-' ? '_' : char(std::toupper(static_cast<unsigned char>(c)));
    option->envname(name);
  }
  for (CLI::App* group : command.get_subcommands([](CLI::App*) { return true; })) read_environment(*group);
}

/// The folder and the limits.
void add_run(CLI::App& command, run_options& run, given_training_options& given,
                     std::vector<std::pair<CLI::Option*, bool*>>& flags_given) {
  CLI::Option* out = command.add_option("-o,--out", run.out, "Folder of the run: checkpoints, record, loss curve");
  out->check(file_name());
  CLI::Option* steps = given.add(command, "--steps", &training_options::steps, "Steps in all; none: 2000")->check(positive);
  CLI::Option* seconds = given.add(command, "--seconds", &training_options::seconds,
                                   "Stop after that many seconds; without --steps, the only limit; 0: no limit of time")
                             ->check(number_between(0, 1e9));
  command.add_option("--epochs", run.epochs, "How often every pair of texts, picture or sound is seen, instead of --steps")
      ->check(number_between(0, 1e6))
      ->excludes(steps);
  flags_given = {{steps, &run.steps_given}, {seconds, &run.seconds_given}};
  command.add_flag("--resume", run.resume, "Go on from the latest valid checkpoint in --out");
}

std::string in_words(const ordered_json& values) {
  std::string text;
  for (const auto& value : values)
    if (value.is_string()) text += (text.empty() ? "" : " ") + value.get<std::string>();
  return text;
}

/// Options without which other things would be learned from the same files.
constexpr std::array options_of_data{"--task",    "--task-length", "--masked", "--field",       "--source-field",
                                     "--target-field", "--flip",   "--patch",  "--picture-size", "--classes"};

ordered_json given_of(const std::vector<CLI::Option*>& options) {
  auto given = ordered_json::object();
  for (const CLI::Option* option : options)
    if (is_given(*option)) given[option->get_name()] = option->results();
  return given;
}

/// What is known of a run's beginning by its folder; null of a run from before that was kept.
ordered_json begun_with(const std::filesystem::path& run) {
  const std::filesystem::path file = run / options_name;
  if (!std::filesystem::exists(file)) return nullptr;
  std::ifstream in(file);
  const auto all = ordered_json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object() || !all.value("options", ordered_json()).is_object())
    refuse_file(file,
                "the options and the data that the run began with, to be held against those that are given now (without "
                "the file --resume takes their sameness on trust)",
                "something else");
  return all;
}

std::string with(const ordered_json& options, const std::string& name) {
  return options.contains(name) ? name + " " + in_words(options[name]) : "no " + name;
}

/// "1e-3" is "0.001", and "1" as the value of a flag "true".
bool is_same(const std::string& a, const std::string& b) {
  const auto value = [](const std::string& word) {
    char* end = nullptr;
    const double number = std::strtod(word.c_str(), &end);
    return std::pair(word == "true" ? 1.0 : number, word == "true" || (!word.empty() && *end == '\0'));
  };
  const auto [x, x_is_number] = value(a);
  const auto [y, y_is_number] = value(b);
  return a == b || (x_is_number && y_is_number && x == y);
}

bool is_same(const ordered_json& before, const ordered_json& now) {
  if (!before.is_array()) return false;
  const auto old_words = before.get<std::vector<std::string>>(), words = now.get<std::vector<std::string>>();
  return std::ranges::equal(old_words, words, [](const auto& a, const auto& b) { return is_same(a, b); });
}

/// A run that goes on has its sizes and its ways already: they may be given again, but not changed.  What it learns from
/// must be the same.
void check_resume_changes_nothing(const run_options& run) {
  const ordered_json before = begun_with(run.out);
  const ordered_json& given = run.begun_with["options"];
  if (before.is_null() && !given.empty())
    throw usage_error(fmt::format("--resume: expected no {}, because the folder does not say which options its run began "
                                  "with; found {}",
                                  given.begin().key(), with(given, given.begin().key())));
  if (before.is_null()) return;
  const ordered_json options = before["options"];
  const auto refuse_change = [&](const std::string& name) {
    throw usage_error(fmt::format("--resume: expected the options that the run began with, {}; found {}",
                                  with(options, name), with(given, name)));
  };
  for (const auto& [name, value] : given.items())
    if (!options.contains(name) || !is_same(options[name], value)) refuse_change(name);
  for (const char* name : options_of_data)
    if (options.contains(name) && !given.contains(name)) refuse_change(name);
  check_same_data(before.value("files", ordered_json::object()), run.begun_with["files"]);
}

void train(const train_flags& flags, const output_options& output) {
  if (flags.run.out.empty() && !flags.run.dry_run)
    throw usage_error("--out: expected a folder for the run; found none");
  const bool translations = !flags.source.empty() || !flags.pairs.empty();
  const bool files = !flags.text.empty() || translations || !flags.images.empty() || !flags.sounds.empty() ||
                     !flags.labelled.empty();
  if (!flags.task.empty() && files)
    throw usage_error("--task: expected no files, because its examples are made up; found a file to learn from");
  if (!flags.task.empty()) return train_task(flags, output);
  const bool senses = !flags.images.empty() || !flags.sounds.empty();
  if (senses && (!flags.text.empty() || translations || !flags.labelled.empty()))
    throw usage_error("expected texts, or pictures and sounds; found both");
  if (flags.masked && !flags.text.empty()) return train_masked_language_model(flags, output);
  if (!flags.text.empty()) return train_language_model(flags, output);
  if (translations) return train_translator(flags, output);
  if (senses || !flags.labelled.empty()) return train_classifier(flags, output);
  throw usage_error(
      "expected something to learn from, --text FILE, --source FILE --target FILE, --pairs FILE, --labelled FILE, "
      "--images FOLDER, --sounds FOLDER or --task NAME; found none of them");
}

}  // namespace

void add_train(CLI::App& program) {
  CLI::App& command =
      add_command(program, "train",
                  "Train a small model on a text, on translations, on pictures or sounds, on a made-up task; Ctrl-C saves",
                  "qkv train --text FILE --out mine --seconds 600\n"
                  "  qkv train --source train.de --target train.en --out de-en --epochs 20\n"
                  "  qkv train --images FOLDER --out pictures\n"
                  "  qkv train --text FILE --masked --out masked\n"
                  "  qkv train --task addition --out sum");
  command.formatter(std::make_shared<formatter_without_variables>());
  command.get_formatter()->column_width(34);
  command.footer(command.get_footer() +
                 "\n\nQKV_TRAIN_LEARNING_RATE in the environment stands for --learning-rate, and so for every option.");
  const auto flags = std::make_shared<train_flags>();
  const auto output = std::make_shared<output_options>();
  const auto given = std::make_shared<given_training_options>(), course = std::make_shared<given_training_options>();
  const auto limits = std::make_shared<std::vector<std::pair<CLI::Option*, bool*>>>();
  add_run(command, flags->run, *given, *limits);
  const auto preset = std::make_shared<std::string>();
  const auto list = std::make_shared<bool>(false);
  CLI::Option* preset_option =
      command.add_option("--preset", *preset,
                         "Options under one name, as --list-presets shows them; those given besides win");
  command.add_flag("--list-presets", *list, "Print the presets and what they reproduce, and stop")->configurable(false);
  add_data(command, *flags);
  add_task(command, *flags);
  add_senses(command, *flags);
  auto fixed = add_tokens(command, *flags);
  fixed.push_back(preset_option);
  const auto recurrent = add_recurrent(command, *flags);
  for (auto& more : {recurrent, add_sizes(command, flags->sizes), add_choices(command, flags->choices),
                     add_options_of_decoders(command, *flags), add_learning(command, *given)})
    fixed.insert(fixed.end(), more.begin(), more.end());
  for (const char* name : options_of_data) fixed.push_back(command.get_option(name));
  add_course(command, flags->run, *course);
  output->add_quiet(command);
  output->add_json(command);
  if (!program.get_config_ptr()) program.set_config("--config", "", "Read options from a file, as --dump-config writes it");
  program.allow_config_extras(CLI::config_extras_mode::error);
  command.fallthrough();
  const auto dump = std::make_shared<bool>(false);
  command.add_flag("--dump-config", *dump, "Print the options given as a file for --config, and stop")->configurable(false);
  read_environment(command);
  command.callback([preset, list, flags, output, given, course, limits, dump, fixed, recurrent, &program, &command] {
    if (*list) return fmt::print("{}", output->json ? presets_in_json().dump(1) + "\n" : presets_in_words());
    check_belongings(command);
    for (const CLI::Option* option : recurrent) flags->recurrent |= is_given(*option);
    flags->run.begun_with = {{"options", given_of(fixed)}, {"files", *dump ? ordered_json() : data_record_of(*flags)}};
    if (flags->run.resume) check_resume_changes_nothing(flags->run);
    if (!preset->empty()) apply_preset(command, *preset);
    flags->language_model.tied_head = !flags->separate_head;
    if (*dump) return fmt::print("{}", program.config_to_str(false, true));
    for (const auto& [option, is_given] : *limits) *is_given = option->count() > 0;
    flags->run.seconds_given = flags->run.seconds_given && given->over({}).seconds > 0;
    flags->run.given_course = [course](training_options run) { return course->over(std::move(run)); };
    const bool by_sequences = command.get_option("--batch")->count() > 0;  // then not by tokens, unless both are said
    flags->run.given = [given, course, by_sequences](training_options defaults) {
      if (by_sequences) defaults.batch_tokens = 0;
      return course->over(given->over(defaults));
    };
    train(*flags, *output);
  });
}

}  // namespace qkv::cli
