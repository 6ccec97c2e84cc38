// Why recurrence lost: how far back a gradient reaches, and how long a step takes, by the length of the sequence.
//
// A recurrent network carries what it read through every token in between; attention has one link to each.  All are as
// they are before they have learned anything.
#include <fmt/format.h>

#include <cmath>

#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"
#include "qkv/autograd/views.h"
#include "qkv/nn/block.h"
#include "qkv/nn/recurrent.h"

namespace qkv::benchmarks {
namespace {

constexpr long width = 512;

/// What makes T vectors [T, C] of T vectors.
struct reader {
  std::string key, title;
  std::function<variable(const variable&)> read;
};

reader recurrent_reader(recurrent_cell cell, std::uint64_t seed) {
  nn::initialisation init(seed);
  const nn::recurrent net({.cell = cell, .width = width, .units = width}, init);
  return {name_of(cell), cell == recurrent_cell::rnn ? "plain recurrent" : cell == recurrent_cell::gru ? "GRU" : "LSTM",
          [net](const variable& x) { return net(x, std::vector<long>{0, x.dim(0)}).states; }};
}

reader attention_reader(std::uint64_t seed) {
  nn::initialisation init(seed);
  init.deviation = 1 / std::sqrt(double(width));
  const nn::multi_head_attention attend({.width = width, .heads = 8, .out_deviation = init.deviation}, init, causal);
  return {"attention", "attention", [attend](const variable& x) {
            const variable rows = reshape(x, {1, x.dim(0), width});
            return reshape(attend(rows, rows), {x.dim(0), width});
          }};
}

std::vector<reader> readers(std::uint64_t seed) {
  return {recurrent_reader(recurrent_cell::rnn, seed), recurrent_reader(recurrent_cell::gru, seed),
          recurrent_reader(recurrent_cell::lstm, seed), attention_reader(seed)};
}

/// |d (last outcome . a random direction) / d (token `distance` before it)|, for every distance.
std::vector<double> gradient_norms(const reader& r, long tokens, std::uint64_t seed) {
  const variable x(random_normal({tokens, width}, 10 + seed), needs_gradient);
  const variable last = slice(r.read(x), 0, tokens - 1, tokens);
  backward(last, random_normal(last.shape(), 100 + seed));
  std::vector<double> norms;
  for (long distance = 0; distance < tokens; ++distance) {
    double sum = 0;
    for (const float g : x.gradient().select(0, tokens - 1 - distance).values<float>()) sum += double(g) * double(g);
    norms.push_back(std::sqrt(sum));
  }
  return norms;
}

std::vector<column> columns_of(const std::vector<reader>& all, int digits) {
  std::vector<column> columns;
  for (const reader& r : all) columns.push_back({r.key, r.title, digits});
  return columns;
}

}  // namespace

void measure_gradient_distance(session& s) {
  constexpr long tokens = 257, seeds = 4;
  if (!s.wants("gradient_distance", "gradients")) return;
  std::vector<std::vector<double>> sums;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto all = readers(seed);
    sums.resize(all.size(), std::vector<double>(tokens));
    for (std::size_t n = 0; n < all.size(); ++n) {
      const auto norms = gradient_norms(all[n], tokens, seed);
      for (std::size_t d = 0; d < tokens; ++d) sums[n][d] += norms[d];
    }
  }
  const auto names = readers(1);
  auto columns = columns_of(names, 2);
  columns.insert(columns.begin(), {"distance", "tokens between", 0});
  result_table t("gradient_distance", "log10 of the gradient, that of the token before being 0", "recurrence", columns);
  for (const long distance : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
    nlohmann::ordered_json row{{"distance", distance}};
    for (std::size_t n = 0; n < names.size(); ++n) {
      const double share = sums[n][std::size_t(distance)] / sums[n][1];
      if (share > 0) row[names[n].key] = std::log10(share);  // else smaller than any number
    }
    t.add(fmt::format("{} before", distance), row);
  }
  s.keep(t);
}

void measure_recurrence_time(session& s) {
  const auto all = readers(1);
  auto columns = columns_of(all, 2);
  columns.insert(columns.begin(), {"tokens", "tokens", 0});
  columns.push_back(others_column);
  result_table t("recurrence_time", "ms forward and backward, width 512", "recurrence", columns);
  for (const long tokens : {64, 128, 256, 512, 1024, 2048}) {
    const std::string name = fmt::format("{} tokens", tokens);
    if (!s.wants("recurrence_time", name)) continue;
    const variable x(random_normal({tokens, width}, 1), needs_gradient);
    const tensor dy = random_normal({tokens, width}, 2);
    std::vector<trial> contestants;
    for (const reader& r : all)
      contestants.push_back(trial_of([&] {
        backward(r.read(x), dy);
        x.clear_gradient();
      }));
    const turns taken = s.take_turns(contestants);
    nlohmann::ordered_json row{{"tokens", tokens}};
    for (std::size_t n = 0; n < all.size(); ++n) row[all[n].key] = taken.seconds[n] * 1e3;
    row["others"] = taken.others;
    t.add(name, row);
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
