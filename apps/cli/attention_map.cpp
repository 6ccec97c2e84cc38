#include "apps/cli/attention_map.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

namespace qkv::cli {

void check(const attention_map& map) {
  if (map.weights.rank() != 4 || map.weights.dim(2) != long(map.queries.size()) ||
      map.weights.dim(3) != long(map.keys.size()))
    refuse("picture of attention", fmt::format("weights [L, H, {}, {}]", map.queries.size(), map.keys.size()),
           to_string(map.weights.shape()));
}

head_statistics statistics_of(const attention_map& map, long layer, long head) {
  head_statistics sum;
  long counted = 0;
  const auto T = long(map.queries.size()), S = long(map.keys.size());
  for (long t = 0; t < T; ++t) {
    const long own = map.own_key(t);
    long seen = 0;
    head_statistics row;
    for (long s = 0; s < S; ++s) {
      const double w = map.weight(layer, head, t, s);
      if (!(w > 0)) continue;
      ++seen;
      row.entropy -= w * std::log(w);
      row.itself += s == own ? w : 0;
      row.previous += s == own - 1 ? w : 0;
      row.first += s == 0 ? w : 0;
      row.distance += w * double(std::labs(own - s));
    }
    if (seen < 2) continue;
    ++counted;
    sum.entropy += row.entropy;
    sum.evenness += row.entropy / std::log(double(seen));
    sum.itself += row.itself;
    sum.previous += row.previous;
    sum.first += row.first;
    sum.distance += row.distance;
  }
  if (counted == 0) return {.spread = 1, .itself = 1};
  for (double* mean : {&sum.entropy, &sum.evenness, &sum.itself, &sum.previous, &sum.first, &sum.distance})
    *mean /= double(counted);
  sum.spread = std::exp(sum.entropy);
  return sum;
}

std::string kind_of(const head_statistics& s) {
  if (s.itself >= 0.5) return "itself";
  if (s.previous >= 0.5) return "previous token";
  if (s.first >= 0.5) return "first token";
  if (s.evenness >= 0.9) return "spreads evenly";
  if (s.itself + s.previous >= 0.6) return "itself and previous";
  if (s.distance <= 3.5) return "near tokens";
  if (s.spread <= 4) return "picks a few tokens";
  return "picks many tokens";
}

std::string in_words(const head_statistics& s) {
  const std::string kind = kind_of(s);
  std::string looks;
  if (kind == "itself")
    looks = "Keeps mostly to the token itself";
  else if (kind == "previous token")
    looks = "Looks mostly at the previous token";
  else if (kind == "first token")
    looks = "Rests mostly on the first token";
  else if (kind == "spreads evenly")
    looks = "Spreads almost evenly over all it sees";
  else if (kind == "itself and previous")
    looks = "Looks at the token itself and the one before";
  else if (kind == "near tokens")
    looks = "Looks at near tokens";
  else if (kind == "picks a few tokens")
    looks = "Picks a few tokens, near and far";
  else
    looks = "Spreads over many tokens, near and far";
  return fmt::format(
      "{}. {:.0f}% of its weight is on the token itself, {:.0f}% on the previous one, {:.0f}% on the first; it looks "
      "{:.1f} tokens away and at about {:.1f} tokens at once (entropy {:.2f} nats, {:.0f}% of an even spread).",
      looks, 100 * s.itself, 100 * s.previous, 100 * s.first, s.distance, s.spread, s.entropy, 100 * s.evenness);
}

}  // namespace qkv::cli
