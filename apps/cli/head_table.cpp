#include "apps/cli/head_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qkv/attention/statistics.h"

namespace qkv::cli {
namespace {

// The statistics of one layer's heads, of all queries that have a choice: looking back, the first sees only itself.
attention_statistics told(const formula& rule, sight sees, const tensor& q, const tensor& k,
                          const std::vector<std::int32_t>& tokens) {
  const long first = sees == sight::backwards ? 1 : 0;
  return statistics_with(rule, q.slice(1, first, q.dim(1)), k, {.top = 0, .distances = true, .tokens = tokens});
}

// What head `h` of one layer's statistics does, beside an even spread over the same tokens.
head_statistics row_of(const attention_statistics& s, const attention_statistics& even, long h,
                       const std::vector<std::string>& labels) {
  const long T = long(labels.size()), queries = s.entropy.dim(1), own = T - 1;  // own: distance 0, the last on the last
  head_statistics row;
  double even_distance = 0;
  for (long t = 0; t < queries; ++t) {
    const double entropy = s.entropy.at<float>(0, t, h), greatest = even.entropy.at<float>(0, t, 0);
    if (greatest == 0) return no_choice();  // a window of one token
    row.entropy += entropy / double(queries);
    row.evenness += entropy / greatest / double(queries);
    row.strongest += double(s.maximum.at<float>(0, t, h)) / double(queries);
  }
  if (!std::isfinite(row.entropy))
    throw std::runtime_error("attend: expected weights that are numbers; found NaN in this model");
  for (long n = 0; n < s.distances.dim(2); ++n) {
    const double away = std::abs(double(n - own));
    row.distance += away * double(s.distances.at<float>(0, h, n));
    even_distance += away * double(even.distances.at<float>(0, 0, n));
  }
  row.itself = s.distances.at<float>(0, h, own);
  row.next = own + 1 < s.distances.dim(2) ? s.distances.at<float>(0, h, own + 1) : 0;
  row.previous = s.detected.at<float>(0, h, 0);
  row.alike = s.detected.at<float>(0, h, 1);
  row.induction = s.detected.at<float>(0, h, 2);
  row.first = double(s.received.at<float>(0, 0, h)) / double(queries);
  row.spread = std::exp(row.entropy);
  row.nearness = even_distance > 0 ? row.distance / even_distance : 1;
  token_weights tokens;
  for (long j = 0; j < T; ++j) {
    auto& [weight, evenly] = tokens[labels[std::size_t(j)]];
    weight += s.received.at<float>(0, j, h), evenly += even.received.at<float>(0, j, 0);
  }
  set_favourite(tokens, double(queries), row);
  return row;
}

std::string percent(double share) { return fmt::format("{:.0f}%", 100 * share); }

std::string line_of(const std::string& head, const std::string& what, const head_statistics& s) {
  return fmt::format("{} {} {:7.2f} {:8.1f} {:>5} {:>6} {:>8} {:>5} {:>5} {:>9}", left_aligned(head, 6),
                     left_aligned(what, 19), s.entropy, s.distance, percent(s.strongest), percent(s.itself),
                     percent(s.previous), percent(s.first), percent(s.alike), percent(s.induction));
}

}  // namespace

long head_table::likest(long layer, long head) const {
  long best = -1;
  for (long h = 0; h < heads; ++h)
    if (h != head && (best < 0 || likeness.at<float>(layer, head, h) > likeness.at<float>(layer, head, best))) best = h;
  return best;
}

head_table head_table_of(const text_links& links, const std::vector<std::int32_t>& tokens,
                         const std::vector<std::string>& labels) {
  head_table table{.layers = long(links.layers.size()),
                   .heads = links.layers.front().queries.dim(2),
                   .rows = {},
                   .even = no_choice(),
                   .likeness = {}};
  table.likeness = tensor({table.layers, table.heads, table.heads});
  const long T = long(tokens.size());
  attention_statistics even;
  if (T > 1) {
    const tensor nothing({1, T, 1, 1});
    even = told(*links.even, links.sees, nothing, nothing, tokens);
    table.even = row_of(even, even, 0, labels);
  }
  for (long layer = 0; layer < table.layers; ++layer) {
    const nn::attention_inputs& in = links.layers[std::size_t(layer)];
    const auto& rule = in.parts.formula;
    const auto statistics = T > 1 ? told(*rule, links.sees, in.queries, in.keys, tokens) : attention_statistics{};
    for (long h = 0; h < table.heads; ++h)
      table.rows.push_back(T > 1 ? row_of(statistics, even, h, labels) : no_choice());
    table.likeness.select(0, layer).copy_from(head_similarity_with(*rule, in.queries, in.keys).select(0, 0));
  }
  return table;
}

std::vector<float> rollout_of(const text_links& links, long token) {
  std::vector<attention_layer> layers;
  for (const nn::attention_inputs& in : links.layers) layers.push_back({in.parts.formula, in.queries, in.keys});
  const tensor rolled = attention_rollout(layers, token).select(0, 0);
  const auto shares = rolled.values<float>();
  for (const float share : shares)
    if (!std::isfinite(share))
      throw std::runtime_error("attend: expected weights that are numbers; found NaN in this model");
  return {shares.begin(), shares.end()};
}

std::string table_of_heads(const head_table& table, const std::vector<long>& layers, const std::vector<long>& heads,
                           look how) {
  std::string text = bold(fmt::format("{} {} entropy distance   top itself previous first  same induction  like",
                                      left_aligned("head", 6), left_aligned("what it does", 19)),
                          how) +
                     "\n";
  for (const long layer : layers)
    for (const long head : heads) {
      const head_statistics& s = table.row(layer, head);
      text += line_of(fmt::format("{}.{}", layer + 1, head + 1), kind_of(s, how), s);
      const long other = table.likest(layer, head);
      if (other >= 0)
        text += fmt::format("  {}.{} {:.2f}", layer + 1, other + 1, table.likeness.at<float>(layer, head, other));
      text += "\n";
    }
  return text + dim(line_of("", "an even spread", table.even), how) + "\n";
}

std::string columns_in_words(sight sees) {
  const std::string text =
      "\n"
      "head: layer.head; entropy in nats; distance in tokens; top: the strongest link of a token.  Then the\n"
      "weight on the token itself, on the one before, on the text's first, on earlier tokens of the same\n"
      "kind, and on those that followed one of the same kind.  like: the head of this layer whose weights\n"
      "are most alike, and the cosine.  Means over all tokens";
  return text + (sees == sight::backwards ? " but the first, which sees only itself.\n" : ", which see each other.\n");
}

std::string picture_of_rollout(const std::vector<float>& shares, const std::vector<std::string>& labels, long token,
                               look how) {
  constexpr std::size_t most = 12;
  std::vector<long> order(shares.size());
  std::iota(order.begin(), order.end(), 0L);
  std::erase_if(order, [&](long place) { return !(shares[std::size_t(place)] > 0); });
  const std::size_t seen = order.size();
  std::ranges::stable_sort(order, [&](long a, long b) { return shares[std::size_t(a)] > shares[std::size_t(b)]; });
  order.resize(std::min(order.size(), most));
  std::string text =
      fmt::format("where the result of the token {} (number {} of {}) comes from, through all layers\n\n",
                  visible(labels[std::size_t(token)], how), token + 1, labels.size());
  const auto label_of = [&](long place) { return short_label(labels[std::size_t(place)], 16, how); };
  int widest = 3;
  for (const long place : order) widest = std::max(widest, columns_of(label_of(place)));
  double told = 0;
  for (const long place : order) {
    const double share = shares[std::size_t(place)], longest = shares[std::size_t(order.front())];
    told += share;
    text += fmt::format("{} {} {:5.1f}%  {}\n", right_aligned(std::to_string(place + 1), 6),
                        left_aligned(label_of(place), widest), 100 * share, bar(share / longest, 40, how));
  }
  if (order.size() < seen)
    text += fmt::format("{:>{}.1f}%  the other {} tokens that it comes from\n", 100 * (1 - told), widest + 13,
                        seen - order.size());
  return text;
}

}  // namespace qkv::cli
