// qkv evaluate --source --target: how well a translator says what people have said.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/cli/counted_work.h"
#include "apps/cli/evaluate_flags.h"
#include "apps/cli/parallel_lines.h"
#include "apps/cli/translating.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

struct mean_loss {
  double loss = 0;  ///< nats a target token, ends included
  long targets = 0;
};

/// Pairs of like lengths together; the order does not change a sum beyond rounding.
mean_loss loss_of(const translator& t, const parallel_tokens& pairs, const output_options& output) {
  constexpr std::size_t at_once = 64;
  const no_gradient values_only;
  std::vector<std::size_t> order(pairs.source.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return pairs.target[i].size(); });
  counted_work progress(output, long(order.size()), "pairs");
  mean_loss all;
  for (std::size_t from = 0; from < order.size(); from += at_once) {
    parallel_tokens batch;
    const std::size_t end = std::min(from + at_once, order.size());
    for (std::size_t i = from; i < end; ++i) {
      batch.source.push_back(pairs.source[order[i]]);
      batch.target.push_back(pairs.target[order[i]]);
    }
    const text_pairs framed_pairs = framed(batch.source, batch.target, t.frame());
    const long targets = framed_pairs.targets.size();
    all.loss += double(t.model->loss(framed_pairs, 0, {}).value().item()) * double(targets);
    all.targets += targets;
    progress.show(long(end));
  }
  all.loss /= double(all.targets);
  return all;
}

}  // namespace

void evaluate_translator(const evaluate_flags& flags, const output_options& output) {
  const translator t = load_translator(model_file_at(flags.model));
  const parallel_lines lines = read_pairs(flags.source, flags.target, flags.skip_bad_lines);
  const long context = t.model->context();
  const parallel_tokens pairs{tokens_of(t.source, context, lines.source), tokens_of(t.target, context, lines.target)};
  const mean_loss all = loss_of(t, pairs, output);
  const auto scored = [&](long beam) {
    const translated said = translate_all(t, pairs.source, {.beam = beam}, output);
    nlohmann::ordered_json scores = scores_of(said.said, lines.target);
    scores["seconds"] = said.seconds;
    return scores;
  };
  const auto greedy = scored(1);
  const auto beam = flags.beam > 1 ? scored(flags.beam) : nlohmann::ordered_json();
  if (output.json) {
    nlohmann::ordered_json result{{"model", flags.model},  {"kind", "translator"}, {"pairs", lines.source.size()},
                                  {"tokens", all.targets}, {"loss", all.loss},     {"perplexity", std::exp(all.loss)},
                                  {"greedy", greedy}};
    if (!beam.is_null()) result["beam"] = beam, result["beam"]["width"] = flags.beam;
    return fmt::print("{}\n", result.dump(1));
  }
  if (output.quiet) return fmt::print("{:.2f}\n", (beam.is_null() ? greedy : beam)["bleu"].get<double>());
  fmt::print("loss        {:.4f} nats a target token, perplexity {:.2f}; {} pairs, {} tokens\n\n", all.loss,
             std::exp(all.loss), lines.source.size(), all.targets);
  fmt::print("            BLEU (13a)  in lower case   chrF    time\n");
  const auto row = [](const std::string& name, const nlohmann::ordered_json& s) {
    fmt::print("{:<11} {:>10.2f}  {:>13.2f}  {:>5.2f}  {:>4.1f} s\n", name, s["bleu"].get<double>(),
               s["bleu_lower_case"].get<double>(), s["chrf"].get<double>(), s["seconds"].get<double>());
  };
  row("greedy", greedy);
  if (!beam.is_null()) row(fmt::format("beam of {}", flags.beam), beam);
}

}  // namespace qkv::cli
