// qkv_benchmark: measures, beside PyTorch if it is installed, and prints tables.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <stdexcept>

#include "benchmarks/tables.h"

namespace qkv::benchmarks {
namespace {

struct group {
  const char* name;
  const char* what;
  std::vector<void (*)(session&)> tables;
  std::vector<void (*)(session&)> thorough_tables = {};
};

const std::vector<group> groups{
    {"peak", "what the machine can do: multiply-adds, reading memory", {measure_peak}},
    {"attention",
     "attention: shapes, one query, large logits, masks, scores",
     {measure_attention, measure_one_query, measure_attention_inputs, measure_attention_masks,
      measure_attention_scores}},
    {"parts", "similarities, weightings and statistics against softmax of dot products", {measure_attention_parts}},
    {"growth", "fused against N x N as sequences grow, time and memory", {measure_growth}},
    {"recurrence",
     "recurrent networks and attention: how far gradients reach, time by length",
     {measure_gradient_distance, measure_recurrence_time}},
    {"linear_attention", "linear attention by rule, against softmax", {measure_linear_attention}},
    {"matmul", "products of linear layers", {measure_matmul}},
    {"training", "training a small decoder, tokens a second", {measure_training}, {measure_training_curves}},
};

void run(const options& o, const std::vector<const group*>& wanted) {
  for (const group* g : wanted)
    if (o.thorough && !g->thorough_tables.empty() && o.text.empty())
      throw std::runtime_error(std::string(g->name) + " --thorough: expected --text FILE, the text to learn from");
  session s(o);
  for (const group* g : wanted) {
    for (const auto measure : g->tables) measure(s);
    if (o.thorough)
      for (const auto measure : g->thorough_tables) measure(s);
  }
  if (!s.wanted_any()) throw std::runtime_error("--filter: no row contains \"" + o.filter + "\"");
}

int parse_and_run(int count, char** words) {
  CLI::App app{
      "Measures qkv, beside PyTorch if it is installed; everything in some ten minutes.\n"
      "QKV_ISA=avx2 and QKV_THREADS=1 choose the instruction set and the threads, of both."};
  options o;
  app.add_option("--filter", o.filter, "only rows whose \"table: name\" contains this");
  app.add_option("--json", o.json, "folder to write the tables to, one file each");
  app.add_option("--pytorch", o.pytorch, "a Python that has PyTorch; \"none\" to do without")->envname("QKV_PYTORCH");
  app.add_flag("--quick", o.quick, "fewer rounds, in about a third of the time");
  app.add_option("--patience", o.patience,
                 "seconds to wait until the machine is quiet, and to measure noisy rows again; rows that stay noisy "
                 "are then not kept")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--thorough", o.thorough,
               "also FlexAttention, and 2,000 steps of training with three seeds (needs --text)");
  app.add_option("--text", o.text, "text to learn from, for training --thorough")->check(CLI::ExistingFile);
  app.require_subcommand(0, int(groups.size()));
  app.fallthrough();
  for (const group& g : groups) app.add_subcommand(g.name, g.what);
  CLI11_PARSE(app, count, words);
  std::vector<const group*> wanted;
  for (const group& g : groups)
    if (app.get_subcommands().empty() || app.got_subcommand(g.name)) wanted.push_back(&g);
  run(o, wanted);
  return 0;
}

}  // namespace
}  // namespace qkv::benchmarks

int main(int count, char** words) {
  try {
    return qkv::benchmarks::parse_and_run(count, words);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "qkv_benchmark: %s\n", problem.what());
    return 1;
  }
}
