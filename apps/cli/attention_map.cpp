#include "apps/cli/attention_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace qkv::cli {

void check(const attention_map& map) {
  if (map.weights.rank() != 4 || map.weights.dim(2) != long(map.queries.size()) ||
      map.weights.dim(3) != long(map.keys.size()))
    refuse("picture of attention", fmt::format("weights [L, H, {}, {}]", map.queries.size(), map.keys.size()),
           to_string(map.weights.shape()));
}

namespace {

// What one query sees: weights, and how much of them an even spread would put where.
struct row_statistics {
  head_statistics sums;
  double even_distance = 0;
  long seen = 0;
};

row_statistics row_of(const attention_map& map, long layer, long head, long query) {
  row_statistics row;
  head_statistics& sum = row.sums;
  const long own = map.own_key(query);
  for (long s = 0; s < long(map.keys.size()); ++s) {
    const double w = map.weight(layer, head, query, s);
    if (!(w > 0)) continue;
    ++row.seen;
    row.even_distance += double(std::labs(own - s));
    sum.entropy -= w * std::log(w);
    sum.itself += s == own ? w : 0;
    sum.previous += s == own - 1 ? w : 0;
    sum.next += s == own + 1 ? w : 0;
    sum.first += s == 0 ? w : 0;
    sum.alike += s < own && map.keys[std::size_t(s)] == map.queries[std::size_t(query)] ? w : 0;
    sum.induction +=
        s > 0 && s <= own && s - 1 != own && map.keys[std::size_t(s - 1)] == map.queries[std::size_t(query)] ? w : 0;
    sum.strongest = std::max(sum.strongest, w);
    sum.distance += w * double(std::labs(own - s));
  }
  if (row.seen > 1) sum.evenness = sum.entropy / std::log(double(row.seen));
  if (row.seen > 0) row.even_distance /= double(row.seen);
  return row;
}

void find_favourite(const attention_map& map, long layer, long head, head_statistics& statistics) {
  token_weights tokens;
  double all = 0;
  for (long t = 0; t < long(map.queries.size()); ++t) {
    const long seen = row_of(map, layer, head, t).seen;
    if (seen < 2) continue;
    all += 1;
    for (long s = 0; s < long(map.keys.size()); ++s)
      if (const double w = map.weight(layer, head, t, s); w > 0) {
        auto& [weight, even] = tokens[map.keys[std::size_t(s)]];
        weight += w;
        even += 1.0 / double(seen);
      }
  }
  set_favourite(tokens, all, statistics);
}

// What is a mean over queries.
constexpr double head_statistics::*means[] = {
    &head_statistics::entropy,   &head_statistics::evenness, &head_statistics::itself,   &head_statistics::previous,
    &head_statistics::next,      &head_statistics::first,    &head_statistics::distance, &head_statistics::alike,
    &head_statistics::induction, &head_statistics::strongest};

}  // namespace

void set_favourite(const token_weights& tokens, double queries, head_statistics& statistics) {
  double most = 0;
  for (const auto& [token, weights] : tokens)
    if (weights.first - weights.second > most) {
      most = weights.first - weights.second;
      statistics.favourite = token;
      statistics.favourite_share = weights.first / queries;
    }
}

head_statistics no_choice() { return {.spread = 1, .itself = 1, .strongest = 1, .favourite = {}}; }

head_statistics statistics_of(const attention_map& map, long layer, long head) {
  head_statistics mean;
  double even_distance = 0;
  long counted = 0;
  for (long t = 0; t < long(map.queries.size()); ++t) {
    const row_statistics row = row_of(map, layer, head, t);
    if (row.seen < 2) continue;
    ++counted;
    even_distance += row.even_distance;
    for (const auto part : means) mean.*part += row.sums.*part;
  }
  if (counted == 0) return no_choice();
  for (const auto part : means) mean.*part /= double(counted);
  mean.spread = std::exp(mean.entropy);
  mean.nearness = even_distance > 0 ? mean.distance * double(counted) / even_distance : 1;
  mean.two_texts = map.two_texts;
  find_favourite(map, layer, head, mean);
  return mean;
}

namespace {

std::string kind_of_two_texts(const head_statistics& s, look how) {
  if (s.favourite_share >= 0.4) return "looks at " + visible(s.favourite, how);
  if (s.evenness >= 0.9) return "spreads evenly";
  if (s.strongest >= 0.7) return "one word for each";
  return s.spread <= 4 ? "a few words" : "many words";
}

std::string in_words_of_two_texts(const head_statistics& s, look how) {
  static const std::map<std::string, std::string> sentences{
      {"spreads evenly", "Spreads almost evenly over the other text"},
      {"one word for each", "Finds one word of the other text for each"},
      {"a few words", "Looks at a few words of the other text at a time"},
      {"many words", "Looks at many words of the other text at a time"}};
  const auto known = sentences.find(kind_of_two_texts(s, how));
  return fmt::format(
      "{}. The word that it looks at most has {:.0f}% of its weight; {:.0f}% is on every {} together; it looks at "
      "about "
      "{:.1f} words at once (entropy {:.2f} nats, {:.0f}% of an even spread).",
      known != sentences.end() ? known->second : "Looks mostly at " + visible(s.favourite, how), 100 * s.strongest,
      100 * s.favourite_share, s.favourite.empty() ? "other" : fmt::format("\"{}\"", visible(s.favourite, how)),
      s.spread, s.entropy, 100 * s.evenness);
}

}  // namespace

std::string kind_of(const head_statistics& s, look how) {
  if (s.two_texts) return kind_of_two_texts(s, how);
  if (s.itself >= 0.5) return "itself";
  if (s.previous >= 0.5) return "previous token";
  if (s.next >= 0.5) return "next token";
  if (s.first >= 0.5) return "first token";
  if (s.induction >= 0.35 && s.induction > s.alike) return "induction";
  if (s.alike >= 0.35) return "same token before";
  if (s.favourite_share >= 0.4) return "looks at " + visible(s.favourite, how);
  if (s.evenness >= 0.9) return "spreads evenly";
  if (s.itself + s.previous >= 0.6) return "itself and previous";
  if (s.nearness <= 0.5) return "near tokens";
  return s.nearness >= 1.25 ? "far tokens" : s.spread <= 4 ? "a few tokens" : "many tokens";
}

std::string in_words(const head_statistics& s, look how) {
  if (s.two_texts) return in_words_of_two_texts(s, how);
  static const std::map<std::string, std::string> sentences{
      {"itself", "Keeps mostly to the token itself"},
      {"previous token", "Looks mostly at the previous token"},
      {"next token", "Looks mostly at the next token"},
      {"first token", "Rests mostly on the first token"},
      {"same token before", "Finds the same token earlier in the text"},
      {"induction", "Looks at what followed the same token earlier in the text"},
      {"spreads evenly", "Spreads almost evenly over all it sees"},
      {"itself and previous", "Looks at the token itself and the one before"},
      {"near tokens", "Looks at near tokens"},
      {"far tokens", "Looks at tokens that are far away"},
      {"a few tokens", "Picks a few tokens, near and far"},
      {"many tokens", "Looks at many tokens, near and far"}};
  const auto known = sentences.find(kind_of(s));
  return fmt::format(
      "{}. {:.0f}% of its weight is on the token itself, {:.0f}% on the previous one, {:.0f}% on the first, {:.0f}% on "
      "every {} together; it looks {:.1f} tokens away and at about {:.1f} tokens at once (entropy {:.2f} nats, {:.0f}% "
      "of "
      "an even spread).",
      known != sentences.end() ? known->second : "Looks mostly at " + visible(s.favourite, how), 100 * s.itself,
      100 * s.previous, 100 * s.first, 100 * s.favourite_share,
      s.favourite.empty() ? "other" : fmt::format("\"{}\"", visible(s.favourite, how)), s.distance, s.spread, s.entropy,
      100 * s.evenness);
}

}  // namespace qkv::cli
