// qkv evaluate --text: how well a language model says what comes next.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/counted_work.h"
#include "apps/cli/evaluate_flags.h"
#include "apps/cli/model_file.h"
#include "apps/cli/spoken_text.h"
#include "qkv/io/text_file.h"
#include "qkv/ops/cross_entropy.h"
#include "qkv/train/data_order.h"

namespace qkv::cli {
namespace {

constexpr long at_once = 16;  // windows of a batch

/// A window's tokens predict those behind them; what an earlier window has predicted is not asked again.
struct window {
  long first, length, asked;  // the last `asked` of its targets count
};

std::vector<window> windows_of(long tokens, long context, long stride) {
  std::vector<window> all;
  const long predicted = tokens - 1;  // targets 1 .. tokens - 1
  for (long done = 0; done < predicted;) {
    const long first = all.empty() ? 0 : all.back().first + stride;
    const long length = std::min(context, predicted - first);
    all.push_back({first, length, first + length - done});
    done = first + length;
  }
  return all;
}

/// The loss of windows of one length, summed over what is asked.
double loss_of(const decoder& model, std::span<const std::int32_t> tokens, std::span<const window> batch) {
  std::vector<std::int32_t> heard, targets;
  long asked = 0;
  for (const window& w : batch) {
    const auto from = tokens.begin() + w.first;
    heard.insert(heard.end(), from, from + w.length);
    targets.insert(targets.end(), std::size_t(w.length - w.asked), std::int32_t(ignored_target));
    targets.insert(targets.end(), from + 1 + w.length - w.asked, from + 1 + w.length);
    asked += w.asked;
  }
  const shape sizes{long(batch.size()), batch[0].length};
  return double(model.loss(tensor(sizes, std::move(heard)), tensor(sizes, std::move(targets))).value().item()) *
         double(asked);
}

/// Nats of every token but the first, summed.
double total_loss(const decoder& model, std::span<const std::int32_t> tokens, long stride,
                  const output_options& output) {
  const no_gradient values_only;
  const auto windows = windows_of(long(tokens.size()), model.config().context, stride);
  counted_work progress(output, long(windows.size()), "windows");
  double sum = 0;
  for (std::size_t from = 0; from < windows.size();) {
    std::size_t end = from + 1;
    while (end < windows.size() && end - from < at_once && windows[end].length == windows[from].length) ++end;
    sum += loss_of(model, tokens, std::span(windows).subspan(from, end - from));
    progress.show(long(end));
    from = end;
  }
  return sum;
}

}  // namespace

void evaluate_language_model(const evaluate_flags& flags, const output_options& output) {
  const language_model m = load_language_model(flags.model);
  const auto all = encode(m.tokens, "--text", read_text(flags.text));
  const auto tokens = flags.held_out ? split_for_validation(all).validate : std::span(all);
  if (tokens.size() < 2)
    throw usage_error(
        fmt::format("--text: expected at least 2 tokens, one to predict the next; found {}", tokens.size()));
  const long context = m.model.config().context, stride = flags.stride > 0 ? flags.stride : context;
  if (stride > context)
    throw usage_error(
        fmt::format("--stride: expected at most {}, the context of this model; found {}", context, stride));
  const auto start = std::chrono::steady_clock::now();
  const double sum = total_loss(m.model, tokens, stride, output);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const long predicted = long(tokens.size()) - 1;
  const auto bytes = long(m.tokens.all.decode(tokens.subspan(1)).size());
  const double loss = sum / double(predicted), bits = sum / std::log(2.0) / double(bytes);
  if (output.json) {
    const nlohmann::ordered_json result{
        {"model", flags.model}, {"kind", "language model"},     {"tokens", predicted},   {"bytes", bytes},
        {"loss", loss},         {"perplexity", std::exp(loss)}, {"bits_per_byte", bits}, {"stride", stride},
        {"seconds", seconds}};
    return fmt::print("{}\n", result.dump(1));
  }
  if (output.quiet) return fmt::print("{:.4f}\n", loss);
  fmt::print("loss           {:.4f} nats a token\n", loss);
  fmt::print("perplexity     {:.2f}: as unsure as between that many tokens alike\n", std::exp(loss));
  fmt::print("bits per byte  {:.4f}: comparable between models of different tokens\n", bits);
  fmt::print("tokens         {}, {:.2f} bytes each, in windows of {} tokens, {} further each\n", predicted,
             double(bytes) / double(predicted), context, stride);
  fmt::print("time           {:.1f} s, {:.0f} tokens/s\n", seconds, double(predicted) / seconds);
}

}  // namespace qkv::cli
