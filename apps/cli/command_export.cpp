// qkv export: the model of a training run as one file, for use.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/memory_meter.h"
#include "apps/cli/model_kind.h"
#include "apps/cli/option_values.h"
#include "qkv/train/checkpoint.h"
#include "qkv/train/classifier.h"
#include "qkv/train/masked_model.h"
#include "qkv/train/run_folder.h"
#include "qkv/train/translator.h"

namespace qkv::cli {
namespace {

struct export_options {
  std::string model, out, weights = "float32";
};

/// The model alone, without the optimiser's state.
void write(const std::filesystem::path& from, const export_options& to) {
  const auto storage = to.weights == "int8" ? weight_storage::int8 : weight_storage::float32;
  const model_kind kind = kind_of(from);
  if (kind == model_kind::translator) {
    const translator t = load_translator(from);
    save_translator(to.out, *t.model, t.source, t.target, t.facts, {}, storage);
  } else if (kind == model_kind::language_model) {
    const checkpoint c = load_checkpoint(from);
    save_checkpoint(to.out, c.model, c.facts, {}, storage);
  } else if (kind == model_kind::masked_language_model) {
    const masked_model m = load_masked_model(from);
    save_masked_model(to.out, m.model, m.tokens, m.facts, {}, storage);
  } else {
    const classifier c = load_classifier(from);
    save_classifier(to.out, c.model, c.senses, c.facts, {}, storage);
  }
}

void run(const export_options& options, const output_options& output) {
  const auto from = model_file_at(options.model);
  write(from, options);
  if (output.json) {
    const nlohmann::ordered_json result{{"out", options.out},
                                        {"bytes", std::filesystem::file_size(options.out)},
                                        {"weights", options.weights}};
    return fmt::print("{}\n", result.dump(1));
  }
  if (!output.quiet)
    fmt::print("{}: {}, weights in {}\n", options.out, in_bytes(double(std::filesystem::file_size(options.out))),
               options.weights);
}

}  // namespace

void add_export(CLI::App& program) {
  CLI::App& command =
      add_command(program, "export", "Write the model of a training run as one file, for use",
                  "qkv export --model out/de-en --out de-en.safetensors --weights int8");
  const auto options = std::make_shared<export_options>();
  const auto output = std::make_shared<output_options>();
  command.add_option("-m,--model", options->model, "Folder of a training run, or a model's file")->required();
  command.add_option("-o,--out", options->out, "The file to write")->required()->check(file_name());
  command.add_option("--weights", options->weights, "float32: as they are; int8: matrices in 8 bits, a quarter of the size")
      ->check(one_of({"float32", "int8"}))
      ->capture_default_str();
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output] { run(*options, *output); });
}

}  // namespace qkv::cli
