// qkv race: the fused engine against the N x N way, and a lambda of one's own.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/memory_meter.h"
#include "apps/cli/race.h"
#include "qkv/base/instruction_set.h"
#include "qkv/base/threads.h"

namespace qkv::cli {
namespace {

constexpr double largest_difference = 1e-4, largest_relative_error = 1e-2;

struct race_options {
  long tokens = 16384, heads = 4, width = 64;
};

std::string in_time(double seconds) {
  if (seconds >= 1) return fmt::format("{:.2f} s", seconds);
  return seconds >= 1e-3 ? fmt::format("{:.1f} ms", 1e3 * seconds) : fmt::format("{:.0f} us", 1e6 * seconds);
}

std::string times(double ratio) { return fmt::format("{:.{}f}", ratio, ratio < 10 ? 1 : 0); }

void print_bars(const std::string& title, double square, double fused, auto in_words, const std::string& better,
                look how) {
  const double longest = std::max({square, fused, 1e-30});
  constexpr int columns = 44;
  fmt::print("\n{}\n", bold(title, how));
  fmt::print("  N x N  {}  {}\n", bar(square / longest, columns, how), in_words(square));
  fmt::print("  fused  {}  {}", bar(fused / longest, columns, how), in_words(fused));
  if (fused > 0 && square > fused) fmt::print(", {}", bold(times(square / fused) + " times " + better, how));
  fmt::print("\n");
}

void print_race(const race& r, look how) {
  if (r.tokens == 0) return fmt::print("0 tokens: nothing to compute, and nothing to race.\n");
  fmt::print("{} tokens, {} heads, width {}, every token looks at every other; {} threads, {}\n", r.tokens, r.heads,
             r.width, thread_count(), name_of(active_instruction_set()));
  if (!r.plan.remark.empty()) fmt::print("{}\n", r.plan.remark);
  const auto rate = [&](double seconds) {
    return seconds > 0 ? fmt::format("{} ({:.0f} GFLOP/s)", in_time(seconds), r.operations() / seconds / 1e9)
                       : in_time(seconds);
  };
  print_bars("time", r.square.seconds, r.fused.seconds, rate, "faster", how);
  print_bars("memory beyond the inputs", r.square.bytes, r.fused.bytes, in_bytes, "less", how);
  fmt::print("\nBoth compute the same: the largest difference is {:.0e}, of outputs up to {:.2g}.\n", r.difference,
             r.largest);
}

void print_ratios(const race& r) {
  if (r.fused.seconds > 0 && r.fused.bytes > 0)
    fmt::print("{} times faster, {} times less memory\n", times(r.square.seconds / r.fused.seconds),
               times(r.square.bytes / r.fused.bytes));
}

void print_lambda(const lambda_result& r, look how) {
  fmt::print("\n{}\n  {}\n\n", bold("a score and a mask of your own, a line each", how), r.source);
  fmt::print("forward {}, backward {}, {} of memory\n", in_time(r.forward.seconds), in_time(r.backward.seconds),
             in_bytes(std::max(r.forward.bytes, r.backward.bytes)));
  fmt::print(
      "Its gradient along a random direction is {:.5g}; by a difference of forward runs it is {:.5g} (apart by "
      "{:.0e}).\n",
      r.gradient, r.difference, r.relative_error());
}

nlohmann::ordered_json as_json(const race& r, const lambda_result& own) {
  const auto way = [](const race_result& w) {
    return nlohmann::ordered_json{{"seconds", w.seconds}, {"bytes", w.bytes}};
  };
  return {{"tokens", r.tokens},
          {"heads", r.heads},
          {"width", r.width},
          {"queries", r.plan.queries},
          {"heads_at_once", r.plan.heads_at_once},
          {"remark", r.plan.remark},
          {"instruction_set", name_of(active_instruction_set())},
          {"threads", thread_count()},
          {"operations", r.operations()},
          {"fused", way(r.fused)},
          {"square", way(r.square)},
          {"largest_difference", r.difference},
          {"lambda",
           {{"source", own.source},
            {"forward", way(own.forward)},
            {"backward", way(own.backward)},
            {"gradient", own.gradient},
            {"numerical_gradient", own.difference}}}};
}

void run(const race_options& options, const output_options& output) {
  const look how = output.look_of(stdout);
  const race r = run_race(options.tokens, options.heads, options.width);
  const bool json = output.json, quiet = output.quiet;
  if (!json) quiet ? print_ratios(r) : print_race(r, how);
  std::fflush(stdout);
  const lambda_result own = run_lambda(options.tokens, options.heads, options.width);
  if (json) fmt::print("{}\n", as_json(r, own).dump(1));
  if (!json && !quiet && options.tokens > 0) print_lambda(own, how);
  if (r.difference > largest_difference || own.relative_error() > largest_relative_error)
    throw std::runtime_error(
        fmt::format("race: expected both ways and both gradients to agree; found {:.1e} and {:.1e} between them",
                    r.difference, own.relative_error()));
}

}  // namespace

void add_race(CLI::App& program) {
  CLI::App& command = add_command(program, "race", "Race the fused engine against the N x N way, in time and in memory",
                                  "qkv race --tokens 4096 --heads 8");
  const auto options = std::make_shared<race_options>();
  const auto output = std::make_shared<output_options>();
  command.add_option("--tokens", options->tokens, "Tokens of the sequence")
      ->check(CLI::Range(0L, 1L << 24))
      ->capture_default_str();
  command.add_option("--heads", options->heads, "Heads")->check(CLI::Range(1L, 1024L))->capture_default_str();
  command.add_option("--width", options->width, "Channels of a head")
      ->check(CLI::Range(1L, 4096L))
      ->capture_default_str();
  output->add_style(command);
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output] { run(*options, *output); });
}

}  // namespace qkv::cli
