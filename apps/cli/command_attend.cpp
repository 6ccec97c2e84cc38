// qkv attend: what each head of a model looks at.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/attention_page.h"
#include "apps/cli/command.h"
#include "apps/cli/head_table.h"
#include "apps/cli/memory_meter.h"
#include "apps/cli/model_file.h"
#include "apps/cli/terminal_picture.h"
#include "qkv/io/atomic_file.h"
#include "qkv/io/text_file.h"
#include "qkv/io/utf8.h"

namespace qkv::cli {
namespace {

struct attend_options {
  std::string model, text, text_file;
  long layer = 0, head = 0, token = 0;  // counted from 1; 0: all, and the last token
  bool heads = false, rollout = false;  // told in numbers, without a T x T matrix
  std::string html, svg, png;
};

// The text that was given, or of one from a file, which is as long as it is, as much as the model can read.
std::vector<std::int32_t> tokens_of(const character_model& m, const attend_options& options) {
  const long context = m.model.config().context;
  if (options.text_file.empty()) {
    const auto tokens = encode(m.vocabulary, "--text", options.text);
    if (long(tokens.size()) > context)
      throw usage_error(fmt::format("--text: expected at most {} tokens, the context of this model; found {}", context,
                                    tokens.size()));
    return tokens;
  }
  std::string text = read_text(options.text_file);
  std::size_t end = 0;
  for (long n = 0; n < context && end < text.size(); ++n) next_code_point(text, end);
  text.resize(end);
  return encode(m.vocabulary, "--text-file", text);
}

std::vector<std::string> labels_of(const character_model& m, const std::vector<std::int32_t>& tokens) {
  std::vector<std::string> labels;
  for (const std::int32_t token : tokens) labels.push_back(m.vocabulary.decode(std::span(&token, 1)));
  return labels;
}

attention_map map_of(const character_model& m, const std::vector<std::int32_t>& tokens) {
  const auto T = long(tokens.size());
  const auto links = m.model.links(tensor({1, T}, tokens));
  attention_map map;
  map.keys = map.queries = labels_of(m, tokens);
  map.weights = tensor({long(links.size()), m.model.config().heads, T, T});
  for (std::size_t layer = 0; layer < links.size(); ++layer)
    map.weights.select(0, long(layer)).copy_from(m.model.attention_weights(links[layer]).select(0, 0));
  for (const float w : map.weights.values<float>())
    if (!std::isfinite(w))
      throw std::runtime_error("attend: expected weights that are numbers; found NaN in this model");
  return map;
}

std::optional<long> chosen(const std::string& option, long number, long count) {
  if (number == 0) return {};
  if (number > count) throw usage_error(fmt::format("{}: expected 1 to {}; found {}", option, count, number));
  return number - 1;
}

nlohmann::ordered_json as_json(const head_statistics& s) {
  return {{"kind", kind_of(s)},       {"entropy", s.entropy},     {"spread", s.spread},    {"evenness", s.evenness},
          {"itself", s.itself},       {"previous", s.previous},   {"first", s.first},      {"same", s.alike},
          {"induction", s.induction}, {"strongest", s.strongest}, {"distance", s.distance}};
}

nlohmann::ordered_json as_json(const attention_map& map, const head_choice& choice) {
  nlohmann::ordered_json heads = nlohmann::ordered_json::array();
  for (const long layer : choice.layers(map))
    for (const long head : choice.heads(map)) {
      nlohmann::ordered_json weights = nlohmann::ordered_json::array();
      for (long t = 0; t < long(map.queries.size()); ++t) {
        const auto row = map.weights.select(0, layer).select(0, head).select(0, t).values<float>();
        weights.push_back(std::vector<float>(row.begin(), row.end()));
      }
      nlohmann::ordered_json all{{"layer", layer + 1}, {"head", head + 1}};
      all.update(as_json(statistics_of(map, layer, head)));
      all["weights"] = weights;
      heads.push_back(all);
    }
  return {{"tokens", map.keys}, {"heads", heads}};
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

// Says of every file that it was written, and how large it is.
void save(const std::string& path, const std::string& what, bool speaks, auto write) {
  if (path.empty()) return;
  write();
  if (speaks) fmt::print("{}: {}, {}\n", path, what, in_bytes(double(std::filesystem::file_size(path))));
}

// Says now, and not after the work, that one of the files cannot be written.
void check_files_can_be_written(const attend_options& options) {
  for (const std::string& path : {options.html, options.svg, options.png})
    if (!path.empty()) atomic_file{path};
}

std::vector<long> chosen_of(const std::optional<long>& one, long count) {
  std::vector<long> all;
  for (long n = 0; n < count; ++n)
    if (!one || *one == n) all.push_back(n);
  return all;
}

void tell_in_numbers(const attend_options& options, const output_options& output, const character_model& m,
                     const std::vector<std::int32_t>& tokens) {
  const decoder_config& config = m.model.config();
  const auto T = long(tokens.size());
  const auto layers = chosen_of(chosen("--layer", options.layer, config.layers), config.layers),
             heads = chosen_of(chosen("--head", options.head, config.heads), config.heads);
  const long token = chosen("--token", options.token, T).value_or(T - 1);
  const auto labels = labels_of(m, tokens);
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

void draw(const attend_options& options, const output_options& output, const character_model& m,
          const std::vector<std::int32_t>& tokens) {
  const attention_map map = map_of(m, tokens);
  const head_choice choice{chosen("--layer", options.layer, map.layers()), chosen("--head", options.head, map.heads())};
  const long token = chosen("--token", options.token, long(tokens.size())).value_or(long(tokens.size()) - 1);
  const bool speaks = !output.json && !output.quiet;
  if (speaks) print_picture(map, choice, token, output.look_of(stdout));
  if (speaks && !(options.html + options.svg + options.png).empty()) fmt::print("\n");
  const std::string facts = fmt::format("{}: {}; {} tokens", std::filesystem::path(options.model).filename().string(),
                                        in_words(m.model), tokens.size());
  save(options.html, "open it in a browser and point at a token", speaks,
       [&] { write_text(options.html, attention_page(map, facts)); });
  save(options.svg, "a picture that can be scaled", speaks, [&] { save_heat_maps_as_svg(options.svg, map, choice); });
  save(options.png, "a picture", speaks, [&] { save_heat_maps_as_png(options.png, map, choice); });
  if (output.json) fmt::print("{}\n", as_json(map, choice).dump());
}

void run(const attend_options& options, const output_options& output) {
  check_files_can_be_written(options);
  const character_model m = load_character_model(options.model);
  const auto tokens = tokens_of(m, options);
  if (options.heads || options.rollout)
    tell_in_numbers(options, output, m, tokens);
  else
    draw(options, output, m, tokens);
}

}  // namespace

void add_attend(CLI::App& program) {
  CLI::App& command = add_command(
      program, "attend", "Show what each head of a model looks at, for a text of yours",
      "qkv attend --model models/shakespeare.safetensors --text \"To be, or not to be\" --html attention.html");
  const auto options = std::make_shared<attend_options>();
  const auto output = std::make_shared<output_options>();
  command.add_option("-m,--model", options->model, "Checkpoint, as `qkv train` writes it")->required();
  CLI::Option* const text =
      command.add_option("-t,--text", options->text, "The text, no longer than the model's context");
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
