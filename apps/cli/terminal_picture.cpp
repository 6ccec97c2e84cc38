#include "apps/cli/terminal_picture.h"

#include <fmt/format.h>

#include <algorithm>

namespace qkv::cli {
namespace {

std::vector<std::string> labels_of(const std::vector<std::string>& tokens, look how) {
  std::vector<std::string> labels;
  for (const std::string& token : tokens) labels.push_back(short_label(token, 16, how));
  return labels;
}

int widest_of(const std::vector<std::string>& labels) {
  int widest = 1;
  for (const std::string& label : labels) widest = std::max(widest, columns_of(label));
  return widest;
}

struct token_range {
  std::size_t first, end;
};

// The tokens that fit into `columns`, each as wide as its label: `own` and those before it, which it looks at, then,
// if there is room, those after it.
token_range tokens_that_fit(const std::vector<std::string>& labels, std::size_t own, int columns) {
  token_range range{own, own + 1};
  columns -= columns_of(labels[own]);
  const auto takes = [&](std::size_t token) {
    columns -= columns_of(labels[token]);
    return columns >= 0;
  };
  while (range.first > 0 && takes(range.first - 1)) --range.first;
  while (range.end < labels.size() && takes(range.end)) ++range.end;
  return range;
}

}  // namespace

std::string picture_of_heads(const attention_map& map, const head_choice& choice, long query, look how, int columns) {
  constexpr int before = 18, words = 22;
  const auto labels = labels_of(map.keys, how);
  const long own_place = map.two_texts ? -1 : map.own_key(query);
  const auto [first, end] =
      tokens_that_fit(labels, std::size_t(std::max(own_place, 0L)), std::max(columns - before - words, 16));
  std::string text = std::string(before, ' '), marks = text;
  for (std::size_t s = first; s < end; ++s) {
    const bool own = long(s) == own_place;
    text += own ? bold(labels[s], how) : labels[s];
    marks += left_aligned(own ? "^" : "", columns_of(labels[s]));
  }
  std::string picture;
  if (end - first < labels.size())
    picture = fmt::format("{}tokens {} to {} of {}\n", std::string(before, ' '), first + 1, end, labels.size());
  picture += text + "\n";
  for (const long layer : choice.layers(map)) {
    for (const long head : choice.heads(map)) {
      picture += left_aligned(fmt::format("layer {:2} head {:2}", layer + 1, head + 1), before);
      for (std::size_t s = first; s < end; ++s)
        picture += shade(map.weight(layer, head, query, long(s)), columns_of(labels[s]), how);
      picture += "  " + dim(kind_of(statistics_of(map, layer, head), how), how) + "\n";
    }
  }
  return map.two_texts ? picture : picture + marks + "\n";
}

std::string picture_of_matrix(const attention_map& map, long layer, long head, look how, int columns) {
  const auto queries = labels_of(map.queries, how), keys = labels_of(map.keys, how);
  const int margin = widest_of(queries) + 1, widest = widest_of(keys);
  const int room = std::max(columns - margin, 8);
  const int cell = std::max(widest + (widest > 1), std::min(2, std::max(1, room / std::max(1, int(keys.size())))));
  const std::size_t fit = std::min(keys.size(), std::size_t(std::max(1, room / cell)));
  const std::size_t first = keys.size() - fit;
  std::string picture = std::string(margin, ' ');
  for (std::size_t s = first; s < keys.size(); ++s) picture += left_aligned(keys[s], cell);
  picture += "\n";
  const std::size_t first_row = queries.size() - std::min(queries.size(), fit);
  for (std::size_t t = first_row; t < queries.size(); ++t) {
    std::string row = right_aligned(queries[t], margin - 1) + " ";
    for (std::size_t s = first; s < keys.size(); ++s)
      row += shade(map.weight(layer, head, long(t), long(s)), cell, how);
    row.erase(row.find_last_not_of(' ') + 1);
    picture += row + "\n";
  }
  if (first > 0) picture += fmt::format("the last {} of {} tokens; --svg and --png show all\n", fit, keys.size());
  return picture;
}

}  // namespace qkv::cli
