#include "qkv/generate/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "qkv/base/error.h"
#include "qkv/base/random.h"

namespace qkv {
namespace {

struct candidate {
  std::int32_t token;
  double weight;  // exp((logit - largest) / temperature)
};

/// The largest logit's token.   @throws shape_error where there is none
std::int32_t likeliest(std::span<const float> logits) {
  std::int32_t best = -1;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) refuse("sample", "numbers as logits", "NaN for token " + std::to_string(i));
    if (logits[i] > (best < 0 ? -HUGE_VALF : logits[std::size_t(best)])) best = std::int32_t(i);
  }
  if (best < 0) refuse("sample", "at least one token that may come", "none: every logit is -inf");
  return best;
}

std::vector<candidate> candidates_of(std::span<const float> logits, double largest, double temperature) {
  std::vector<candidate> all(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double gap = double(logits[i]) - largest;
    all[i] = {std::int32_t(i), double(logits[i]) == largest ? 1 : std::exp(gap / temperature)};
  }
  return all;
}

/// Likeliest first, the lower number first among equals.
bool before(const candidate& a, const candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

/// Keeps the k likeliest, in order.
void keep_top_k(std::vector<candidate>& all, std::size_t k) {
  std::partial_sort(all.begin(), all.begin() + std::ptrdiff_t(k), all.end(), before);
  all.resize(k);
}

double weight_of(const std::vector<candidate>& some) {
  return std::accumulate(some.begin(), some.end(), 0.0, [](double sum, const candidate& c) { return sum + c.weight; });
}

/// Keeps the likeliest that together hold a share p.
void keep_top_p(std::vector<candidate>& all, double p) {
  std::sort(all.begin(), all.end(), before);
  const double enough = p * weight_of(all);
  double sum = 0;
  std::size_t kept = 0;
  while (kept < all.size() && sum < enough) sum += all[kept++].weight;
  all.resize(std::max<std::size_t>(kept, 1));
}

}  // namespace

void check(const sampling_options& o) {
  if (!(o.temperature >= 0) || std::isinf(o.temperature)) {
    refuse("sampling", "a temperature of at least 0", std::to_string(o.temperature));
  }
  if (o.top_k < 0) refuse("sampling", "top_k of at least 0", std::to_string(o.top_k));
  if (!(o.top_p > 0 && o.top_p <= 1)) refuse("sampling", "top_p in 0 .. 1, without 0", std::to_string(o.top_p));
}

std::int32_t sample(std::span<const float> logits, const sampling_options& options, std::uint64_t index) {
  const std::int32_t best = likeliest(logits);
  if (options.temperature == 0 || options.top_k == 1) return best;
  auto candidates = candidates_of(logits, logits[std::size_t(best)], options.temperature);
  if (options.top_k > 0 && options.top_k < long(candidates.size())) {
    keep_top_k(candidates, std::size_t(options.top_k));
  }
  if (options.top_p < 1) keep_top_p(candidates, options.top_p);
  double place = random_stream{options.seed, 0}.uniform(index) * weight_of(candidates);
  for (const candidate& c : candidates) {
    if (place < c.weight) return c.token;
    place -= c.weight;
  }
  return best;  // rounding left a little over
}

}  // namespace qkv
