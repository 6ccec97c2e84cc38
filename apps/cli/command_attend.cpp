// qkv attend: what each head of a model looks at.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/attend_options.h"
#include "apps/cli/command.h"
#include "apps/cli/head_table.h"
#include "apps/cli/model_file.h"
#include "apps/cli/model_kind.h"
#include "apps/cli/prompt_weights.h"
#include "apps/cli/seen_text.h"
#include "apps/cli/terminal_picture.h"
#include "apps/cli/text_input.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

attention_map map_of(const seen_text& seen) {
  const auto T = long(seen.tokens.size());
  attention_map map;
  map.keys = map.queries = seen.labels;
  map.text = seen.text;
  map.looking = seen.looking;
  map.weights = tensor({seen.layers(), seen.heads(), T, T});
  for (long layer = 0; layer < seen.layers(); ++layer)
    map.weights.select(0, layer).copy_from(seen.weights_of(seen.links.layers[std::size_t(layer)]).select(0, 0));
  for (const float w : map.weights.values<float>())
    if (!std::isfinite(w))
      throw std::runtime_error("attend: expected weights that are numbers; found NaN in this model");
  return map;
}

nlohmann::ordered_json as_json(const head_table& table, const std::vector<long>& layers,
                               const std::vector<long>& heads) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const long layer : layers)
    for (const long head : heads) {
      nlohmann::ordered_json all{{"layer", layer + 1}, {"head", head + 1}};
      all.update(as_json(table.row(layer, head)));
      const auto likeness = table.likeness.select(0, layer).select(0, head).values<float>();
      all["likeness"] = std::vector<float>(likeness.begin(), likeness.end());
      rows.push_back(all);
    }
  return rows;
}

void print_picture(const attention_map& map, const head_choice& choice, long token, look how) {
  const int columns = columns_of_terminal(stdout);
  if (choice.single()) {
    fmt::print("layer {} head {}: every row is a token, and what it looks at\n\n", *choice.layer + 1, *choice.head + 1);
    fmt::print("{}\n{}\n", picture_of_matrix(map, *choice.layer, *choice.head, how, columns),
               in_words(statistics_of(map, *choice.layer, *choice.head), how));
    return;
  }
  fmt::print(
      "what each head looks at from the token {} (number {} of {}); on the right, what it does over the whole "
      "text\n\n{}",
      visible(map.queries[token], how), token + 1, map.queries.size(),
      picture_of_heads(map, choice, token, how, columns));
}

std::vector<long> chosen_of(const std::optional<long>& one, long count) {
  std::vector<long> all;
  for (long n = 0; n < count; ++n)
    if (!one || *one == n) all.push_back(n);
  return all;
}

/// The answer of a model that gives one, and the tokens.
nlohmann::ordered_json as_json(const seen_text& seen) {
  nlohmann::ordered_json all;
  if (seen.answer) all = {{"class", seen.answer->name}, {"probability", seen.answer->probability}};
  all["tokens"] = seen.labels;
  return all;
}

std::string answer_in_words(const seen_text& seen, look how) {
  if (!seen.answer) return "";
  return fmt::format("{} ({:.0f}%)\n\n", visible(seen.answer->name, how), 100 * seen.answer->probability);
}

void tell_in_numbers(const attend_options& options, const output_options& output, const seen_text& seen) {
  const auto layers = chosen_of(chosen("--layer", options.layer, seen.layers()), seen.layers()),
             heads = chosen_of(chosen("--head", options.head, seen.heads()), seen.heads());
  const long token = chosen("--token", options.token, long(seen.tokens.size())).value_or(seen.looking);
  const look how = output.look_of(stdout);
  nlohmann::ordered_json all = as_json(seen);
  std::string text = output.quiet ? "" : answer_in_words(seen, how);
  if (options.heads) {
    const head_table table = head_table_of(seen.links, seen.tokens, seen.labels);
    text += table_of_heads(table, layers, heads, how) + (output.quiet ? "" : columns_in_words(seen.links.sees));
    all["heads"] = as_json(table, layers, heads), all["even"] = as_json(table.even);
  }
  if (options.rollout) {
    const auto shares = rollout_of(seen.links, token);
    text += (options.heads ? "\n" : "") + picture_of_rollout(shares, seen.labels, token, how);
    all["rollout"] = {{"token", token + 1}, {"shares", shares}};
  }
  fmt::print("{}", output.json ? all.dump() + "\n" : text);
}

void draw(const attend_options& options, const output_options& output, const seen_text& seen) {
  const attention_map map = map_of(seen);
  const auto count = long(seen.tokens.size());
  const head_choice choice{chosen("--layer", options.layer, map.layers()), chosen("--head", options.head, map.heads())};
  const long token = chosen("--token", options.token, count).value_or(seen.looking);
  const bool speaks = !output.json && !output.quiet;
  const look how = output.look_of(stdout);
  if (speaks) {
    fmt::print("{}", answer_in_words(seen, how));
    print_picture(map, choice, token, how);
  }
  const std::string facts =
      fmt::format("{}: {}; {} tokens", std::filesystem::path(options.model).filename().string(), seen.model, count);
  save_pictures(options, map, choice, facts, speaks);
  if (!output.json) return;
  nlohmann::ordered_json all = as_json(seen);
  all["heads"] = heads_as_json(map, choice);
  fmt::print("{}\n", all.dump());
}

void show(const attend_options& options, const output_options& output, const seen_text& seen) {
  options.heads || options.rollout ? tell_in_numbers(options, output, seen) : draw(options, output, seen);
}

void run(attend_options options, const output_options& output) {
  check_files_can_be_written(options);
  if (options.text == standard_input) options.text = text_from_standard_input("a text");
  if (options.model.empty())
    options.model = released_model(options.target.empty() ? "shakespeare.safetensors" : "de-en.safetensors").string();
  const auto file = model_file_at(options.model);
  const model_kind kind = kind_of(file);
  const bool classifies = kind == model_kind::classifier;
  const bool seen_or_heard = !(options.image + options.sound).empty();
  if (seen_or_heard && !classifies)
    throw usage_error("--image and --sound: expected a classifier; found " + in_words(kind));
  if (kind == model_kind::translator) return attend_translator(options, output);
  if (classifies) {
    const classifier c = load_classifier(file);
    if (!c.senses.text) return attend_classifier(c, options, output);
    if (seen_or_heard)
      throw usage_error("--image and --sound: expected --text, for a classifier of texts; found a picture or a sound");
    if (!options.target.empty()) throw usage_error("--target: expected a translator; found a classifier");
    return show(options, output, seen_by_classifier(options, c));
  }
  if (!options.target.empty()) throw usage_error("--target: expected a translator; found " + in_words(kind));
  show(options, output,
       kind == model_kind::masked_language_model ? seen_by_masked_model(options) : seen_by_language_model(options));
}

}  // namespace

void add_attend(CLI::App& program) {
  CLI::App& command = add_command(
      program, "attend", "Show what each head of a model looks at, for a text, a picture or a sound of yours",
      "qkv attend --model models/shakespeare.safetensors --text \"To be, or not to be\" --html attention.html\n"
      "  qkv attend --model models/de-en.safetensors --source \"Ein Hund rennt.\" --target \"A dog runs.\"\n"
      "  qkv attend --model out/masked --text \"Shall I [MASK] thee\"\n"
      "  qkv attend --model out/topics --text \"the match ended in a draw\" --heads\n"
      "  qkv attend --model out/pictures --image shoe.png --png looked.png");
  const auto options = std::make_shared<attend_options>();
  const auto output = std::make_shared<output_options>();
  command.add_option("-m,--model", options->model,
                     "A model's file, or the folder of its training run: any kind that `qkv train` writes; none: "
                     "models/shakespeare.safetensors, with --target models/de-en.safetensors");
  CLI::Option* const text =
      command.add_option("text,-t,--text,--source", options->text,
                         "The text, no longer than the model's context, - for standard input; [MASK] is a hole of a model that fills "
                         "holes");
  command.add_option("--target", options->target, "Of a translator: a translation of the text, in place of its own");
  command.add_option("-i,--image", options->image, "Of a classifier: a picture, PNG or JPEG")->excludes(text);
  command.add_option("-s,--sound", options->sound, "Of a classifier: a sound, WAV or FLAC")->excludes(text);
  command
      .add_option("--text-file", options->text_file, "A file whose beginning is the text, as much as the context takes")
      ->check(file_name())
      ->excludes(text);
  command.add_option("--layer", options->layer, "Only this layer, from 1")->check(CLI::Range(1L, 1L << 20));
  command.add_option("--head", options->head, "Only this head, from 1; with --layer: its whole matrix")
      ->check(CLI::Range(1L, 1L << 20));
  command
      .add_option("--token", options->token,
                  "The token that looks, from 1; none: the last, the first hole, or a classifier's class token")
      ->check(CLI::Range(1L, 1L << 20));
  CLI::Option* const heads = command.add_flag("--heads", options->heads,
                                              "A table instead: what every head does, in numbers; for long texts too");
  CLI::Option* const rollout = command.add_flag(
      "--rollout", options->rollout, "Where the result of --token comes from, through all layers (attention rollout)");
  const auto add_picture = [&](const char* name, std::string& path, const char* what) {
    command.add_option(name, path, what)->check(file_name())->excludes(heads)->excludes(rollout);
  };
  add_picture("--html", options->html, "Write a page for the browser, complete in itself");
  add_picture("--svg", options->svg, "Write a picture as SVG");
  add_picture("--png", options->png, "Write a picture as PNG");
  output->add_style(command);
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output] { run(*options, *output); });
}

}  // namespace qkv::cli
