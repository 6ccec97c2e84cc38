// qkv evaluate: how good a model is on texts, translations, pictures or sounds.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "apps/cli/evaluate_flags.h"
#include "apps/cli/given_option.h"
#include "apps/cli/model_kind.h"
#include "apps/cli/option_values.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

/// Says what a model of this kind is evaluated on, where the user gave something else or nothing.
void expect(bool given, model_kind kind, const std::string& options) {
  if (!given)
    throw usage_error(fmt::format("expected {}, on which {} is evaluated; found none", options, in_words(kind)));
}

/// The options of each kind of model: for another they would do nothing.
void check_options(const CLI::App& command, model_kind kind) {
  using enum model_kind;
  const std::pair<const char*, std::vector<model_kind>> options[] = {
      {"--text", {language_model, masked_language_model}},
      {"--held-out", {language_model, masked_language_model}},
      {"--stride", {language_model}},
      {"--seed", {masked_language_model}},
      {"--source", {translator}},
      {"--beam", {translator}},
      {"--skip-bad-lines", {translator, classifier}},
      {"--images", {classifier}},
      {"--sounds", {classifier}},
      {"--labelled", {classifier}},
      {"--classes", {classifier}},
      {"--all", {classifier}}};
  for (const auto& [option, kinds] : options)
    if (is_given(command, option) && std::ranges::find(kinds, kind) == kinds.end())
      throw usage_error(
          fmt::format("{}: expected {}, whose option it is; found {}", option, in_words(kinds.front()), in_words(kind)));
}

void run(const CLI::App& command, const evaluate_flags& flags, const output_options& output) {
  if (flags.skip_bad_lines && flags.source.empty() && flags.labelled.empty())
    throw usage_error("--skip-bad-lines: expected --source and --target, or --labelled; found none of them");
  const model_kind kind = kind_of(model_file_at(flags.model));
  if (kind == model_kind::translator) {
    expect(!flags.source.empty(), kind, "--source FILE and --target FILE");
    check_options(command, kind);
    return evaluate_translator(flags, output);
  }
  if (kind == model_kind::classifier) {
    expect(!flags.images.empty() || !flags.sounds.empty() || !flags.labelled.empty(), kind,
           "--images FOLDER, --sounds FOLDER or --labelled FILE");
    check_options(command, kind);
    return evaluate_classifier(flags, output);
  }
  expect(!flags.text.empty(), kind, "--text FILE");
  check_options(command, kind);
  if (kind == model_kind::masked_language_model) return evaluate_masked_model(flags, output);
  evaluate_language_model(flags, output);
}

void add_data(CLI::App& command, evaluate_flags& flags) {
  CLI::Option* text =
      command.add_option("--text", flags.text, "A text in UTF-8, for a language model, masked or not");
  command.add_flag("--held-out", flags.held_out, "Only the text's last tenth, which `qkv train` validates on")
      ->needs(text);
  command
      .add_option("--stride", flags.stride,
                  "Tokens from one window of the context to the next; fewer give every token more to look back on; "
                  "none: the context")
      ->check(CLI::Range(1L, 1L << 20))
      ->needs(text);
  command
      .add_option("--seed", flags.seed,
                  "For a masked language model: which tokens are asked for; none: the seed of its training")
      ->check(a_seed())
      ->needs(text);
  CLI::Option* source = command.add_option("--source", flags.source, "Texts, one a line, for a translator");
  CLI::Option* target = command.add_option("--target", flags.target, "Their translations, line by line");
  source->needs(target)->excludes(text);
  target->needs(source);
  command.add_option("--beam", flags.beam, "Hypotheses that beam search follows at a time")
      ->check(CLI::Range(1L, 1024L))
      ->capture_default_str();
  command.add_option("--images", flags.images, "Pictures, for a classifier: a folder as `qkv train --images` takes it");
  command.add_option("--sounds", flags.sounds, "Sounds, for a classifier: a folder as `qkv train --sounds` takes it");
  command.add_option("--labelled", flags.labelled,
                     "Texts with classes, for a classifier: a file as `qkv train --labelled` takes it");
  command.add_flag("--skip-bad-lines", flags.skip_bad_lines,
                   "Leave out empty and damaged lines of --source and --target or --labelled, and say how many");
  command
      .add_option("--classes", flags.classes,
                  "Names of the classes in their order, with commas between them, where the training had them")
      ->delimiter(',');
  command.add_flag("--all", flags.all, "For a classifier: not only what `qkv train` holds out");
}

}  // namespace

void add_evaluate(CLI::App& program) {
  CLI::App& command = add_command(program, "evaluate", "Say how good a model is: its loss, and how often it is right",
                                  "qkv evaluate --model models/shakespeare.safetensors --text FILE\n"
                                  "  qkv evaluate --model models/de-en.safetensors --source test.de --target test.en\n"
                                  "  qkv evaluate --model out/masked --text FILE --held-out\n"
                                  "  qkv evaluate --model out/pictures --images FOLDER");
  const auto flags = std::make_shared<evaluate_flags>();
  const auto output = std::make_shared<output_options>();
  command.add_option("-m,--model", flags->model, "A model's file, or the folder of its training run")->required();
  add_data(command, *flags);
  output->add_style(command);
  output->add_quiet(command);
  output->add_json(command);
  command.callback([flags, output, &command] { run(command, *flags, *output); });
}

}  // namespace qkv::cli
