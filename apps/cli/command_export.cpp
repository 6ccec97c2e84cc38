// qkv export: the model of a training run as one file, for use.
#include <fmt/format.h>

#include <memory>

#include "apps/cli/command.h"
#include "apps/cli/memory_meter.h"
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

void run(const export_options& options, const output_options& output) {
  const auto from = model_file_at(options.model);
  const auto storage = options.weights == "int8" ? weight_storage::int8 : weight_storage::float32;
  const std::string format = model_reader(from).format();
  if (is_translator(format)) {
    const translator t = load_translator(from);
    save_translator(options.out, *t.model, t.source, t.target, t.facts, {}, storage);
  } else if (format.starts_with("qkv decoder")) {
    const checkpoint c = load_checkpoint(from);
    save_checkpoint(options.out, c.model, c.facts, {}, storage);
  } else if (format.starts_with("qkv masked")) {
    const masked_model m = load_masked_model(from);
    save_masked_model(options.out, m.model, m.tokens, m.facts, {}, storage);
  } else if (format.starts_with("qkv classifier")) {
    const classifier c = load_classifier(from);
    save_classifier(options.out, c.model, c.senses, c.facts, {}, storage);
  } else {
    refuse_file(from, "a model that `qkv train` wrote", "\"" + format + "\"");
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
      ->check(CLI::IsMember({"float32", "int8"}))
      ->capture_default_str();
  output->add_quiet(command);
  command.callback([options, output] { run(*options, *output); });
}

}  // namespace qkv::cli
