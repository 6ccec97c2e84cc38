// Training a small decoder on characters: tokens a second beside PyTorch, and what is learned in 2,000 steps.
#include <fmt/format.h>

#include "benchmarks/tables.h"
#include "qkv/io/text_file.h"
#include "qkv/tokens/characters.h"
#include "qkv/train/language_modelling.h"
#include "qkv/train/trainer.h"

namespace qkv::benchmarks {
namespace {

constexpr long curve_every = 100;
constexpr std::uint64_t seeds[] = {1, 2, 3};

// The options' defaults are those of the same configuration.
decoder_config character_model(long vocabulary) {
  return {.vocabulary = vocabulary, .context = 64, .layers = 4, .heads = 4, .width = 128};
}

nlohmann::json case_of(const decoder_config& c, const training_options& o) {
  return {{"case", "training"}, {"vocabulary", c.vocabulary}, {"context", c.context}, {"layers", c.layers},
          {"heads", c.heads},   {"width", c.width},           {"batch", o.batch},     {"seed", o.seed},
          {"steps", o.steps}};
}

// Six for every weight that multiplies a token, and the causal half of attention's seven products.
double flops_of_token(const decoder_config& c) {
  const double weights = double(c.layers) * 12 * double(c.width * c.width) + double(c.vocabulary * c.width);
  return 6 * weights + double(c.layers) * 14 * double(c.width) * double(c.context + 1) / 2;
}

std::vector<std::int32_t> random_tokens(long vocabulary) {
  const random_stream random{7, 0};
  std::vector<std::int32_t> tokens(100'000);
  for (std::size_t n = 0; n < tokens.size(); ++n) tokens[n] = std::int32_t(random.below(n, std::uint64_t(vocabulary)));
  return tokens;
}

// Losses by step, as {step, loss} pairs.
nlohmann::json learn(const decoder_config& config, const std::vector<std::int32_t>& tokens, const training_options& o) {
  decoder model(config, o.seed);
  const language_modelling task(model, tokens, o);
  trainer run(task, o);
  nlohmann::json losses = nlohmann::json::array();
  run.on_progress = [&](const training_progress& p) {
    if (p.validated_now) losses.push_back({p.step, p.validation_loss});
  };
  run.train();
  return losses;
}

}  // namespace

void measure_training(session& s) {
  const std::string name = "characters: 4 layers, 4 heads, width 128, 12 x 64";
  if (!s.wants("training", name)) return;
  std::vector<column> columns{{"rate", "tokens/s", 0}, {"ms", "ms a step", 2}, {"peak", "of peak", 0, "%"}};
  for (column& c : s.peer_columns()) columns.push_back(std::move(c));
  columns.push_back(others_column);
  result_table t("training", "training", "training", columns);
  const decoder_config config = character_model(65);
  const training_options how{};
  const auto tokens = random_tokens(config.vocabulary);
  decoder model(config, how.seed);
  const language_modelling task(model, tokens, how);
  trainer run(task, how);
  std::vector<trial> contestants{trial_of([&] { run.step(); })};
  for (trial& one : s.peer_trials(case_of(config, how))) contestants.push_back(std::move(one));
  const turns taken = s.take_turns(contestants);
  const double rate = double(how.batch * config.context) / taken.seconds[0];
  nlohmann::ordered_json row{{"rate", rate},
                             {"ms", taken.seconds[0] * 1e3},
                             {"peak", 100e-9 * rate * flops_of_token(config) / s.peak().gflops()}};
  s.add_peer_figures(row, taken);
  row["others"] = taken.others;
  t.add(name, row);
  s.keep(t);
}

void measure_training_curves(session& s) {
  if (!s.wants("training_curves", "validation loss")) return;
  const std::string text = read_text(s.chosen().text);
  const character_vocabulary vocabulary(text);
  const auto tokens = vocabulary.encode(text);
  const decoder_config config = character_model(vocabulary.size());

  std::vector<column> columns;
  std::vector<nlohmann::json> curves;
  for (const std::uint64_t seed : seeds) {
    training_options how{.validate_every = curve_every};
    how.seed = seed;
    columns.push_back({fmt::format("qkv_{}", seed), fmt::format("qkv, seed {}", seed), 3});
    fmt::print("learning: {}\n", columns.back().title);
    curves.push_back(learn(config, tokens, how));
    if (s.peers().empty()) continue;
    nlohmann::json request = case_of(config, how);
    request.update({{"do", "learn"}, {"text", s.chosen().text}, {"every", curve_every}});
    columns.push_back({fmt::format("pytorch_{}", seed), fmt::format("PyTorch, seed {}", seed), 3});
    fmt::print("learning: {}\n", columns.back().title);
    curves.push_back(s.peers()[0]->ask(request).at("losses"));
  }
  result_table t("training_curves", "validation loss by step", "training --thorough --text FILE", columns);
  for (std::size_t n = 0; n < curves[0].size(); ++n) {
    nlohmann::ordered_json row;
    for (std::size_t c = 0; c < curves.size(); ++c) row[columns[c].key] = curves[c].at(n).at(1);
    t.add(fmt::format("{}", curves[0][n][0].get<long>()), row);
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
