// qkv evaluate --text, of a masked language model: how well it fills the holes of a text.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/counted_work.h"
#include "apps/cli/evaluate_flags.h"
#include "qkv/io/text_file.h"
#include "qkv/train/masked_language_modelling.h"
#include "qkv/train/masked_model.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {

void evaluate_masked_model(const evaluate_flags& flags, const output_options& output) {
  const masked_model m = load_masked_model(model_file_at(flags.model));
  const std::string text = read_text(flags.text);
  check_text("--text", text);
  const auto all = m.tokens.encode(text);
  const auto tokens = flags.held_out ? split_for_validation(all).validate : std::span(all);
  const masking_options masking = masking_for(m.tokens);
  if (std::ranges::none_of(tokens, [&](std::int32_t token) { return token >= masking.first_word; }))
    throw usage_error(fmt::format("--text: expected at least one token that this model knows ({}); found none",
                                  m.tokens.in_words()));
  const std::uint64_t seed = flags.seed.value_or(m.facts.training.seed);
  const auto start = std::chrono::steady_clock::now();
  counted_work progress(output, long(tokens.size()), "tokens");
  const filled_holes holes = tested(m.model, tokens, masking, seed, [&](long done) { progress.show(done); });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double loss = holes.loss / double(holes.asked), accuracy = double(holes.right) / double(holes.asked);
  if (output.json) {
    const nlohmann::ordered_json result{{"model", flags.model},
                                        {"kind", "masked language model"},
                                        {"tokens", tokens.size()},
                                        {"asked", holes.asked},
                                        {"loss", loss},
                                        {"perplexity", std::exp(loss)},
                                        {"accuracy", accuracy},
                                        {"seed", seed},
                                        {"seconds", seconds}};
    return fmt::print("{}\n", result.dump(1));
  }
  if (output.quiet) return fmt::print("{:.4f}\n", loss);
  fmt::print("loss        {:.4f} nats a token that is asked for\n", loss);
  fmt::print("perplexity  {:.2f}: as unsure as between that many tokens alike\n", std::exp(loss));
  fmt::print("right       {:.2f}%: the likeliest token is the one that was there\n", 100 * accuracy);
  fmt::print("asked for   {} of {} tokens; --seed asks for others\n", holes.asked, tokens.size());
  fmt::print("time        {:.1f} s, {:.0f} tokens/s\n", seconds, double(tokens.size()) / seconds);
}

}  // namespace qkv::cli
