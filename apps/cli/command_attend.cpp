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
#include "apps/cli/prompt_weights.h"
#include "apps/cli/spoken_text.h"
#include "apps/cli/terminal_picture.h"
#include "qkv/io/text_file.h"
#include "qkv/io/utf8.h"
#include "qkv/train/run_folder.h"
#include "qkv/train/translator.h"

namespace qkv::cli {
namespace {

// The text that was given, or of one from a file, which is as long as it is, as much as the model can read.
std::vector<std::int32_t> tokens_of(const language_model& m, const attend_options& options) {
  const long context = m.model.config().context;
  if (options.text_file.empty()) {
    const auto tokens = encode(m.tokens, "--text", options.text);
    if (long(tokens.size()) > context)
      throw usage_error(fmt::format("--text: expected at most {} tokens, the context of this model; found {}", context,
                                    tokens.size()));
    return tokens;
  }
  // A token holds few characters: no more of the file is looked at than the context may need.
  const long characters = m.tokens.characters ? context : 64 * context;
  std::string text = read_text(options.text_file);
  std::size_t end = 0;
  for (long n = 0; n < characters && end < text.size(); ++n) next_code_point(text, end);
  text.resize(end);
  auto tokens = encode(m.tokens, "--text-file", text);
  tokens.resize(std::min(tokens.size(), std::size_t(context)));
  return tokens;
}

attention_map map_of(const language_model& m, const std::vector<std::int32_t>& tokens) {
  const auto T = long(tokens.size());
  const auto links = m.model.links(tensor({1, T}, tokens));
  attention_map map;
  map.keys = map.queries = pieces_of(m.tokens.all, tokens);
  map.weights = tensor({long(links.size()), m.model.config().heads, T, T});
  for (std::size_t layer = 0; layer < links.size(); ++layer)
    map.weights.select(0, long(layer)).copy_from(m.model.attention_weights(links[layer]).select(0, 0));
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

void tell_in_numbers(const attend_options& options, const output_options& output, const language_model& m,
                     const std::vector<std::int32_t>& tokens) {
  const decoder_config& config = m.model.config();
  const auto T = long(tokens.size());
  const auto layers = chosen_of(chosen("--layer", options.layer, config.layers), config.layers),
             heads = chosen_of(chosen("--head", options.head, config.heads), config.heads);
  const long token = chosen("--token", options.token, T).value_or(T - 1);
  const auto labels = pieces_of(m.tokens.all, tokens);
  const auto links = m.model.links(tensor({1, T}, tokens));
  const look how = output.look_of(stdout);
  nlohmann::ordered_json all{{"tokens", labels}};
  std::string text;
  if (options.heads) {
    const head_table table = head_table_of(m.model, links, tokens, labels);
    text += table_of_heads(table, layers, heads, how) + (output.quiet ? "" : columns_in_words());
    all["heads"] = as_json(table, layers, heads), all["even"] = as_json(table.even);
  }
  if (options.rollout) {
    const auto shares = rollout_of(links, token);
    text += (text.empty() ? "" : "\n") + picture_of_rollout(shares, labels, token, how);
    all["rollout"] = {{"token", token + 1}, {"shares", shares}};
  }
  fmt::print("{}", output.json ? all.dump() + "\n" : text);
}

void draw(const attend_options& options, const output_options& output, const language_model& m,
          const std::vector<std::int32_t>& tokens) {
  const attention_map map = map_of(m, tokens);
  const head_choice choice{chosen("--layer", options.layer, map.layers()), chosen("--head", options.head, map.heads())};
  const long token = chosen("--token", options.token, long(tokens.size())).value_or(long(tokens.size()) - 1);
  const bool speaks = !output.json && !output.quiet;
  if (speaks) print_picture(map, choice, token, output.look_of(stdout));
  const std::string facts = fmt::format("{}: {}; {} tokens", std::filesystem::path(options.model).filename().string(),
                                        in_words(m.model), tokens.size());
  save_pictures(options, map, choice, facts, speaks);
  if (output.json)
    fmt::print("{}\n", nlohmann::ordered_json{{"tokens", map.keys}, {"heads", heads_as_json(map, choice)}}.dump());
}

void run(const attend_options& options, const output_options& output) {
  check_files_can_be_written(options);
  const std::string format = model_reader(model_file_at(options.model)).format();
  if (format.starts_with("qkv classifier")) return attend_classifier(options, output);
  if (!options.image.empty() || !options.sound.empty())
    throw usage_error("--image and --sound: expected a classifier; found \"" + format + "\"");
  if (is_translator(format)) return attend_translator(options, output);
  if (!options.target.empty()) throw usage_error("--target: expected a translator; found \"" + format + "\"");
  const language_model m = load_language_model(options.model);
  const auto tokens = tokens_of(m, options);
  if (options.heads || options.rollout)
    tell_in_numbers(options, output, m, tokens);
  else
    draw(options, output, m, tokens);
}

}  // namespace

void add_attend(CLI::App& program) {
  CLI::App& command = add_command(
      program, "attend", "Show what each head of a model looks at, for a text, a picture or a sound of yours",
      "qkv attend --model models/shakespeare.safetensors --text \"To be, or not to be\" --html attention.html\n"
      "  qkv attend --model models/de-en.safetensors --source \"Ein Hund rennt.\" --target \"A dog runs.\"\n"
      "  qkv attend --model out/pictures --image shoe.png --png looked.png");
  const auto options = std::make_shared<attend_options>();
  const auto output = std::make_shared<output_options>();
  command
      .add_option("-m,--model", options->model,
                  "A model's file, or the folder of its training run: of texts, "
                  "translations, pictures or sounds")
      ->required();
  CLI::Option* const text =
      command.add_option("text,-t,--text,--source", options->text, "The text, no longer than the model's context");
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
  command.add_option("--token", options->token, "The token that looks, from 1; none: the last")
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
