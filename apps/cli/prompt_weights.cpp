#include "apps/cli/prompt_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "apps/cli/command.h"
#include "apps/cli/spoken_text.h"
#include "qkv/attention/statistics.h"

namespace qkv::cli {
namespace {

/// The weights of the last token in every head of a layer, [H, 1, T], without those of the others.
tensor last_row(const nn::attention_inputs& layer, long T) {
  const statistics_request request{
      .entropy = false, .maximum = false, .received = false, .top = 0, .map = link_rectangle{T - 1, 1, 0, T}};
  return statistics_with(*layer.parts.formula, layer.queries, layer.keys, request).map.select(0, 0);
}

std::vector<float> mean_of(const prompt_weights& all) {
  const attention_map map = all.map();
  const auto layers = all.choice.layers(map), heads = all.choice.heads(map);
  std::vector<float> mean(all.tokens.size());
  for (std::size_t s = 0; s < mean.size(); ++s) {
    double sum = 0;
    for (const long layer : layers)
      for (const long head : heads) sum += double(map.weight(layer, head, 0, long(s)));
    mean[s] = float(sum / double(layers.size() * heads.size()));
  }
  return mean;
}

/// The tokens that are looked at most, by their number in the prompt.
std::string strongest_of(const prompt_weights& looked, look how) {
  constexpr std::size_t most = 5;
  std::vector<std::size_t> order(looked.mean.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return looked.mean[a] > looked.mean[b]; });
  order.resize(std::min(order.size(), most));
  int widest = 1;
  for (const std::size_t place : order)
    widest = std::max(widest, columns_of(short_label(looked.tokens[place], 16, how)));
  std::string lines;
  for (const std::size_t place : order)
    lines += fmt::format("  {}  token {:<4} {:5.1f}%  {}\n",
                         left_aligned(short_label(looked.tokens[place], 16, how), widest), place + 1,
                         100 * looked.mean[place], bar(double(looked.mean[place]), 40, how));
  return lines;
}

}  // namespace

std::optional<long> chosen(const std::string& option, long number, long count) {
  if (number == 0) return {};
  if (number > count) throw usage_error(fmt::format("{}: expected 1 to {}; found {}", option, count, number));
  return number - 1;
}

std::string in_words(const head_choice& choice) {
  if (choice.single()) return fmt::format("layer {}, head {}", *choice.layer + 1, *choice.head + 1);
  if (choice.layer) return fmt::format("mean of the heads of layer {}", *choice.layer + 1);
  if (choice.head) return fmt::format("head {}, mean of all layers", *choice.head + 1);
  return "mean of all heads of all layers";
}

prompt_weights weights_of_last(const language_model& m, const std::vector<std::int32_t>& prompt, long layer,
                               long head) {
  const decoder_config& config = m.model.config();
  prompt_weights all;
  all.choice = {chosen("--layer", layer, config.layers), chosen("--head", head, config.heads)};
  if (config.mixer != nn::mixer_kind::attention) {
    if (layer > 0 || head > 0)
      throw usage_error(fmt::format("--layer and --head: expected a model with attention; found one with {}",
                                    mixer_words[std::size_t(config.mixer)]));
    return all;
  }
  const long T = long(prompt.size());
  const auto links = m.model.links(tensor({1, T}, prompt));
  all.tokens = pieces_of(m.tokens.all, prompt);
  all.weights = tensor({config.layers, config.heads, 1, T});
  for (long l = 0; l < config.layers; ++l) all.weights.select(0, l).copy_from(last_row(links[std::size_t(l)], T));
  all.mean = mean_of(all);
  return all;
}

std::string picture_of(const prompt_weights& looked, look how, int columns) {
  const float most = std::max(*std::ranges::max_element(looked.mean), 1e-6f);
  std::string picture, text = "  ", shades = "  ";
  const auto end_line = [&] {
    for (std::string* line : {&text, &shades}) {
      line->erase(line->find_last_not_of(' ') + 1);
      picture += *line + "\n";
      *line = "  ";
    }
  };
  for (std::size_t s = 0; s < looked.tokens.size(); ++s) {
    const std::string label = short_label(looked.tokens[s], 16, how);
    const int width = columns_of(label);
    if (columns_of(text) + width > columns && columns_of(text) > 2) end_line();
    text += label;
    shades += shade(double(looked.mean[s] / most), width, how);
  }
  end_line();
  return picture + "\n" + strongest_of(looked, how);
}

}  // namespace qkv::cli
