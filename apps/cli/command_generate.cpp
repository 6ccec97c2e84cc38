// qkv generate: a model continues a text.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/model_file.h"
#include "apps/cli/option_values.h"
#include "apps/cli/spoken_text.h"
#include "apps/cli/text_input.h"
#include "apps/cli/written_text.h"
#include "qkv/generate/generate.h"

namespace qkv::cli {
namespace {

struct generate_options {
  std::string model, prompt = "\n";
  generation_options generation{.tokens = 300, .sampling = {.temperature = 0.8}, .stop = {}};
};

void run(generate_options options, const output_options& output) {
  check(options.generation.sampling);
  if (options.model.empty()) options.model = released_model("shakespeare.safetensors").string();
  const language_model m = load_language_model(options.model);
  if (options.prompt == standard_input) options.prompt = text_from_standard_input("a text to go on with");
  const auto prompt = encode(m.tokens, "--prompt", options.prompt);
  const long left_out = left_out_of_context("qkv generate", prompt.size(), m.model.config().context);
  const std::atomic<bool>& stop = stop_on_interrupt();
  std::string text;
  spoken_text speech(m.tokens.all, prompt);
  const bool streams = !output.json;
  if (streams && !output.quiet) print_text(options.prompt);
  const auto start = std::chrono::steady_clock::now();
  const auto written = generate(m.model, prompt, options.generation, [&](std::int32_t token) {
    const std::string piece = speech.add(token);
    text += piece;
    return (!streams || print_text(piece)) && !stop;
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string rest = speech.end();
  text += rest;
  if (streams) {
    fmt::print("{}\n", rest);
    if (!output.quiet && is_terminal(stderr))
      fmt::print(stderr, "\n{} tokens in {:.2f} s, {:.0f} tokens/s\n", written.size(), seconds,
                 double(written.size()) / seconds);
    return;
  }
  const nlohmann::ordered_json result{{"model", options.model},
                                      {"prompt", options.prompt},
                                      {"left_out", left_out},
                                      {"text", text},
                                      {"tokens", written.size()},
                                      {"seconds", seconds},
                                      {"temperature", options.generation.sampling.temperature},
                                      {"top_k", options.generation.sampling.top_k},
                                      {"top_p", options.generation.sampling.top_p},
                                      {"seed", options.generation.sampling.seed}};
  fmt::print("{}\n", result.dump(1));
}

}  // namespace

void add_generate(CLI::App& program) {
  CLI::App& command =
      add_command(program, "generate", "Let a trained model continue a text",
                  "qkv generate --prompt \"ROMEO.\" --tokens 300");
  const auto options = std::make_shared<generate_options>();
  const auto output = std::make_shared<output_options>();
  sampling_options& sampling = options->generation.sampling;
  command.add_option(
      "-m,--model", options->model,
      "A language model's file, or the folder of its training run; none: models/shakespeare.safetensors");
  command.add_option("-p,--prompt", options->prompt, "The text to continue, - for standard input; none: a new line");
  command.add_option("-n,--tokens", options->generation.tokens, "How many tokens to write at most")
      ->check(CLI::Range(0L, 1L << 40))
      ->capture_default_str();
  command.add_option("--temperature", sampling.temperature, "Above 1 bolder, below 1 safer; 0: always the likeliest")
      ->check(number_between(0, 100))
      ->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "Choose among the k likeliest only; 0: all")
      ->check(CLI::Range(0L, 1L << 40))
      ->capture_default_str();
  command.add_option("--top-p", sampling.top_p, "Choose among the likeliest that hold this probability together")
      ->check(number_between(0, 1))
      ->capture_default_str();
  command.add_option("--seed", sampling.seed, "The same seed writes the same text")
      ->check(a_seed())
      ->capture_default_str();
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output] { run(*options, *output); });
}

}  // namespace qkv::cli
