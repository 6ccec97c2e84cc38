#include "apps/cli/train_presets.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/cli/command.h"
#include "apps/cli/given_option.h"
#include "apps/cli/train_belongings.h"

namespace qkv::cli {
namespace {

/// Ways to say one thing: where the user took one of them, a preset takes none.
const std::vector<std::vector<std::string>> alternatives{{"--steps", "--epochs", "--seconds"},
                                                         {"--batch", "--batch-tokens"}};

bool said_otherwise(const std::vector<std::string>& by_user, const std::string& name) {
  for (const auto& ways : alternatives) {
    if (std::ranges::find(ways, name) == ways.end()) continue;
    for (const std::string& way : ways)
      if (std::ranges::find(by_user, way) != by_user.end()) return true;
  }
  return false;
}

}  // namespace

const std::vector<train_preset>& train_presets() {
  static const std::vector<train_preset> all{
      {"tiny", "", "two layers of width 64: seconds, to try things out",
       {{"--layers", "2"}, {"--heads", "2"}, {"--width", "64"}, {"--context", "64"}}},
      {"small", "", "four layers of width 128: minutes on two cores",
       {{"--layers", "4"}, {"--heads", "4"}, {"--width", "128"}, {"--context", "128"}}},
      {"medium", "", "six layers of width 384, about 11 million weights in a decoder: hours",
       {{"--layers", "6"}, {"--heads", "6"}, {"--width", "384"}, {"--context", "256"},
        {"--dropout", "0.2"}}},
      {"large", "",
       "the sizes of GPT-2 small (Radford et al. 2019), 85 million weights in a decoder: not for two cores",
       {{"--layers", "12"}, {"--heads", "12"}, {"--width", "768"}, {"--context", "1024"},
        {"--dropout", "0.1"}, {"--recompute", "true"}}},
      {"nanogpt-cpu-character", "--text",
       "nanoGPT's small character model for the CPU, as its README gives it: sizes, batch, schedule, AdamW",
       {{"--layers", "4"}, {"--heads", "4"}, {"--width", "128"}, {"--context", "64"}, {"--dropout", "0"},
        {"--batch", "12"}, {"--steps", "2000"}, {"--learning-rate", "0.001"}, {"--warm-up", "100"},
        {"--schedule", "cosine"}, {"--weight-decay", "0.1"}, {"--clip", "1"}}},
      {"nanogpt-character", "--text",
       "nanoGPT's train_shakespeare_char.py, meant for a GPU: sizes, batch, schedule, AdamW",
       {{"--layers", "6"}, {"--heads", "6"}, {"--width", "384"}, {"--context", "256"}, {"--dropout", "0.2"},
        {"--batch", "64"}, {"--steps", "5000"}, {"--learning-rate", "0.001"}, {"--warm-up", "100"},
        {"--schedule", "cosine"}, {"--weight-decay", "0.1"}, {"--clip", "1"}}},
      {"transformer-base", "--source",
       "the base model of Vaswani et al. 2017, table 3: sizes, dropout, smoothing, Adam, schedule; but norms before, "
       "and the last weights, not an average",
       {{"--layers", "6"}, {"--heads", "8"}, {"--width", "512"}, {"--hidden", "2048"}, {"--dropout", "0.1"},
        {"--vocabulary", "37000"}, {"--batch-tokens", "25000"}, {"--steps", "100000"}, {"--optimiser", "adam"},
        {"--learning-rate", "0.000699"}, {"--warm-up", "4000"}, {"--schedule", "inverse-square-root"},
        {"--weight-decay", "0"}, {"--clip", "0"}, {"--label-smoothing", "0.1"}, {"--average", "0"}}},
      {"multi30k-de-en", "--source",
       "the released translator of models/README.md: 42.0 BLEU on Multi30k's test of 2016 in 26 minutes; no paper's",
       {{"--layers", "4"}, {"--width", "128"}, {"--hidden", "256"}, {"--heads", "4"}, {"--dropout", "0.2"},
        {"--vocabulary", "8000"}, {"--learning-rate", "4e-3"}, {"--warm-up", "800"}, {"--batch-tokens", "3000"},
        {"--average", "0.998"}, {"--epochs", "26"}}},
  };
  return all;
}

void apply_preset(CLI::App& command, const std::string& name) {
  const auto& all = train_presets();
  const auto preset = std::ranges::find(all, name, &train_preset::name);
  if (preset == all.end())
    throw usage_error(fmt::format("--preset: expected one of those that --list-presets shows; found {}", name));
  const bool translations = is_given(command, "--pairs") && preset->data == std::string("--source");
  if (*preset->data && !is_given(command, preset->data) && !translations)
    throw usage_error(fmt::format("--preset: expected {}, which {} is for; found none", preset->data, name));
  std::vector<std::string> by_user;
  for (const auto& ways : alternatives)
    for (const std::string& way : ways)
      if (is_given(command, way)) by_user.push_back(way);
  for (const auto& [option_name, value] : preset->options) {
    CLI::Option* option = command.get_option(option_name);
    if (option->count() > 0 || said_otherwise(by_user, option_name) || !has_meaning(command, option_name)) continue;
    option->add_result(value);
    option->run_callback();
  }
}

std::string presets_in_words() {
  std::string text;
  for (const train_preset& preset : train_presets()) {
    text += fmt::format("{}{}\n  {}\n ", preset.name, *preset.data ? fmt::format(" ({})", preset.data) : "",
                        preset.what);
    for (const auto& [option, value] : preset.options)
      text += fmt::format(" {}{}", option, std::string(value) == "true" ? "" : fmt::format(" {}", value));
    text += "\n";
  }
  return text;
}

nlohmann::ordered_json presets_in_json() {
  auto all = nlohmann::ordered_json::array();
  for (const train_preset& preset : train_presets()) {
    nlohmann::ordered_json one{{"name", preset.name}, {"data", preset.data}, {"what", preset.what}};
    for (const auto& [option, value] : preset.options) one["options"][option] = value;
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace qkv::cli
