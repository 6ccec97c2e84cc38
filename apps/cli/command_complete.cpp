// qkv complete: what a model expects next, with probabilities, and what it looks at for that.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/cli/command.h"
#include "apps/cli/heat_map.h"
#include "apps/cli/masked_text_filling.h"
#include "apps/cli/model_file.h"
#include "apps/cli/model_kind.h"
#include "apps/cli/prompt_weights.h"
#include "apps/cli/spoken_text.h"
#include "apps/cli/text_input.h"
#include "apps/cli/whole_words.h"
#include "qkv/ops/softmax.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

struct complete_options {
  std::string model, text;
  long top = 10, layer = 0, head = 0;  // layer and head from 1; 0: the mean over all
  bool words = false, tokens = false;
  std::string svg, png;
  long left_out = 0;  ///< tokens of the text that the context has no room for
};

/// A continuation and its probability: a token, or a whole word.
struct candidate {
  std::string text;
  double probability = 0;
  std::int32_t token = -1;  // none of a word
};

std::vector<candidate> next_tokens(const language_model& m, const std::vector<std::int32_t>& prompt, long top) {
  decoder_cache cache = m.model.make_cache(1);
  const long count = long(prompt.size());
  const tensor next = softmax_rows(m.model.next_logits(tensor({1, count}, prompt), cache));
  const auto probabilities = next.values<float>();
  for (const float p : probabilities)
    if (!std::isfinite(p)) throw std::runtime_error("expected probabilities that are numbers; found NaN in this model");
  std::vector<std::int32_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count_shown = std::min(order.size(), std::size_t(top));
  std::partial_sort(order.begin(), order.begin() + long(count_shown), order.end(), [&](std::int32_t a, std::int32_t b) {
    const float pa = probabilities[std::size_t(a)], pb = probabilities[std::size_t(b)];
    return pa != pb ? pa > pb : a < b;
  });
  order.resize(count_shown);
  std::vector<candidate> all;
  for (const std::int32_t token : order)
    all.push_back({piece_of(m.tokens.all, prompt.back(), token), double(probabilities[std::size_t(token)]), token});
  return all;
}

std::vector<candidate> next_words(const language_model& m, const std::vector<std::int32_t>& prompt, long top) {
  std::vector<candidate> all;
  for (const auto& [text, probability] : word_continuations(m, prompt, std::max(top, 32L)))
    if (long(all.size()) < top) all.push_back({text, probability});
  return all;
}

void print_table(const std::vector<candidate>& all, look how) {
  int columns = 0;
  for (const candidate& one : all) columns = std::max(columns, columns_of(short_label(one.text, 24, how)));
  for (const candidate& one : all)
    fmt::print("  {}  {:5.1f}%  {}\n", left_aligned(short_label(one.text, 24, how), columns), 100 * one.probability,
               bar(one.probability, 40, how));
}

void print_all(const complete_options& o, const std::vector<candidate>& all, const prompt_weights& looked, look how) {
  fmt::print("what may come next\n\n");
  print_table(all, how);
  if (looked.tokens.empty()) return;
  fmt::print("\nwhat it looks at for that: {}\n\n{}", in_words(looked.choice),
             picture_of(looked, how, columns_of_terminal(stdout)));
  for (const std::string& path : {o.svg, o.png})
    if (!path.empty()) fmt::print("{}: a picture\n", path);
}

nlohmann::ordered_json as_json(const complete_options& o, const std::vector<candidate>& all,
                               const prompt_weights& looked) {
  nlohmann::ordered_json result{
      {"model", o.model},
      {"prompt", o.text},
      {"left_out", o.left_out},
      {o.words ? "words" : "next", nlohmann::json::array()}};
  for (const candidate& one : all) {
    if (o.words)
      result["words"].push_back({{"text", one.text}, {"probability", one.probability}});
    else
      result["next"].push_back({{"text", one.text}, {"token", one.token}, {"probability", one.probability}});
  }
  if (looked.tokens.empty()) return result;
  result["attention"] = {{"tokens", looked.tokens}, {"weights", looked.mean}};
  if (o.layer > 0) result["attention"]["layer"] = o.layer;
  if (o.head > 0) result["attention"]["head"] = o.head;
  return result;
}

void print_fillings(const std::vector<candidate>& all, std::size_t number, std::size_t holes, look how) {
  fmt::print("{}what may stand {}\n\n", number > 0 ? "\n" : "",
             holes == 1 ? "there" : fmt::format("in hole {} of {}", number + 1, holes));
  print_table(all, how);
}

/// A masked language model: what may stand in each hole.
void fill(const complete_options& o, const output_options& output) {
  if (o.words || o.layer > 0 || o.head > 0 || !(o.svg + o.png).empty())
    throw usage_error(
        "--word, --layer, --head, --svg and --png: expected a model that writes on; found one that fills holes");
  const masked_model m = load_masked_model(model_file_at(o.model));
  const auto tokens = tokens_with_holes(m, o.text);
  const std::int32_t mask = masking_for(m.tokens).mask;
  const auto holes = std::size_t(std::ranges::count(tokens, mask));
  nlohmann::ordered_json result{{"model", o.model}, {"prompt", o.text}, {"holes", nlohmann::json::array()}};
  std::size_t number = 0;
  for (std::size_t place = 0; place < tokens.size(); ++place) {
    if (tokens[place] != mask) continue;
    std::vector<candidate> all;
    nlohmann::ordered_json next = nlohmann::ordered_json::array();
    for (const filling& one : fillings_of(m, tokens, long(place), o.top)) {
      all.push_back({one.text, one.probability, one.token});
      next.push_back({{"text", one.text}, {"token", one.token}, {"probability", one.probability}});
    }
    result["holes"].push_back({{"token", place + 1}, {"next", next}});
    if (output.quiet && !output.json)
      for (const candidate& one : all) fmt::print("{}\n", visible(one.text, look::unicode));
    else if (!output.json)
      print_fillings(all, number, holes, output.look_of(stdout));
    ++number;
  }
  if (output.json) fmt::print("{}\n", result.dump(1));
}

void run(complete_options o, const output_options& output) {
  if (o.model.empty()) o.model = released_model("shakespeare.safetensors").string();
  const bool masked = kind_of(model_file_at(o.model)) == model_kind::masked_language_model;
  o.text = text_or_standard_input(o.text, "a text to go on with");
  if (masked) return fill(o, output);
  const language_model m = load_language_model(o.model);
  auto prompt = encode(m.tokens, "text", o.text);
  o.left_out = left_out_of_context("qkv complete", prompt.size(), m.model.config().context);
  prompt.erase(prompt.begin(), prompt.begin() + o.left_out);
  o.words = o.words || (m.tokens.characters && !o.tokens);
  const prompt_weights looked = weights_of_last(m, prompt, o.layer, o.head);
  const auto all = o.words ? next_words(m, prompt, o.top) : next_tokens(m, prompt, o.top);
  if (!o.svg.empty()) save_heat_maps_as_svg(o.svg, looked.map(), looked.choice);
  if (!o.png.empty()) save_heat_maps_as_png(o.png, looked.map(), looked.choice);
  if (output.json) return fmt::print("{}\n", as_json(o, all, looked).dump(1));
  const look how = output.look_of(stdout);
  if (!output.quiet) return print_all(o, all, looked, how);
  for (const candidate& one : all) fmt::print("{}\n", visible(one.text, how));
}

}  // namespace

void add_complete(CLI::App& program) {
  CLI::App& command = add_command(program, "complete", "Show what a model expects next, and what it looks at for that",
                                  "qkv complete \"students opened their\"\n"
                                  "  qkv complete --model out/mine --word --top 5 \"To be, or not to \"\n"
                                  "  qkv complete --model out/masked \"the [MASK] of Denmark\"");
  const auto options = std::make_shared<complete_options>();
  const auto output = std::make_shared<output_options>();
  command.add_option("text", options->text,
                     "The text to go on with, or with [MASK] for each hole to fill; none: standard input");
  command.add_option(
      "-m,--model", options->model,
      "A language model's file, or the folder of its training run; none: models/shakespeare.safetensors");
  command.add_option("--top", options->top, "How many continuations to show, the likeliest first")
      ->check(CLI::Range(1L, 1L << 20))
      ->capture_default_str();
  CLI::Option* words = command.add_flag("-w,--word", options->words,
                                        "Whole words, up to the next space or mark; so it is where tokens are characters");
  command.add_flag("--tokens", options->tokens, "Tokens, also where they are characters")->excludes(words);
  command.add_option("--layer", options->layer, "Weights of this layer, from 1; none: the mean over all")
      ->check(CLI::Range(1L, 1L << 20));
  command.add_option("--head", options->head, "Weights of this head, from 1; none: the mean over all")
      ->check(CLI::Range(1L, 1L << 20));
  command.add_option("--svg", options->svg, "Write what every head looks at as a picture, as SVG")->check(file_name());
  command.add_option("--png", options->png, "Write it as PNG")->check(file_name());
  output->add_style(command);
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output] { run(*options, *output); });
}

}  // namespace qkv::cli
