// Score modifications: s becomes f(s, at), before the mask and the weighting.
// Several are applied from left to right, as they stand in the call.
#pragma once
#include <array>
#include <cmath>

#include "qkv/attention/position.h"

namespace qkv {

/// A rule `[](auto s, auto at) { return ...; }`.  Learned parameters follow the lambda, in the order
/// of its further arguments (as in std::invoke), contiguous in memory; their gradients come back from `backward`:
///
///     score([](auto s, auto at, auto slope) { return s - slope[at.head] * abs(at.query - at.key); }, slopes)
template <class F, int P>
struct score {
  F rule;
  std::array<parameter, P> parameters;
  template <class... L> constexpr auto operator()(auto s, auto at, L... learned) const { return rule(s, at, learned...); }

  constexpr score(F f)
    requires(P == 0)
      : rule(f) {}
  template <std::convertible_to<tensor>... T> requires(sizeof...(T) == P)
  score(F f, T... t) : rule(f), parameters{parameter{t, "parameter", ""}...} {}
  score(F f, std::same_as<parameter> auto... p)
    requires(sizeof...(p) == P)
      : rule(f), parameters{p...} {}
};
template <class F, class... T> score(F, T...) -> score<F, sizeof...(T)>;

/// Keeps scores within (-cap, cap): cap * tanh(s / cap) (Gemma 2, arXiv:2408.00118).
inline auto softcap(double cap) {
  if (!(cap > 0 && std::isfinite(cap))) refuse("softcap", "a cap above 0", std::to_string(cap));
  return score{[=](auto s, auto) { return cap * tanh(s / cap); }};
}

/// Attention with linear biases (ALiBi, arXiv:2108.12409): s - slope[head] * |query - key|.
/// slopes [H]; learned, should you want their gradient.
inline auto alibi(tensor slopes) {
  return score{[](auto s, auto at, auto slope) { return s - slope[at.head] * abs(at.query - at.key); },
               parameter{slopes, "alibi slopes", "H"}};
}
/// The paper's slopes for `heads` heads (a power of two): 2^(-8/heads), 2^(-16/heads), ...
inline tensor alibi_slopes(long heads) {
  tensor slopes({heads});
  for (long h = 0; h < heads; ++h) slopes.at<float>(h) = float(std::exp2(-8.0 * double(h + 1) / double(heads)));
  return slopes;
}

struct bucket_rule { bool bidirectional = true; long max_distance = 128; };
/// T5's relative position bias (arXiv:1910.10683): s + bias[head, bucket(key - query)].
/// bias [H, R], R buckets; near distances have a bucket each, far ones share logarithmic ones.
inline auto relative_bias(tensor bias, bucket_rule rule = {}) {
  const long buckets = bias.dim(1) / (rule.bidirectional ? 2 : 1), exact = buckets / 2;
  if (exact < 1)
    refuse("relative_bias", rule.bidirectional ? "at least 4 buckets" : "at least 2 buckets", std::to_string(bias.dim(1)));
  if (rule.max_distance <= exact)
    refuse("relative_bias", "a max_distance above " + std::to_string(exact) + ", up to which every distance has a bucket",
           std::to_string(rule.max_distance));
  const double far = std::log(double(rule.max_distance) / double(exact));
  return score{[=](auto s, auto at, auto table) {
    auto ahead = at.key - at.query;
    auto distance = rule.bidirectional ? abs(ahead) : max(-ahead, 0);
    auto coarse = exact + whole(log(real(max(distance, 1)) / exact) / far * (buckets - exact));
    auto bucket = select(distance < exact, distance, min(coarse, buckets - 1));
    if (rule.bidirectional) bucket = bucket + select(ahead > 0, buckets + 0 * ahead, 0 * ahead);
    return s + table[at.head, bucket];
  }, parameter{bias, "relative bias", "H R"}};
}

enum class sides { before, both };
/// A local window as positions: s + bias[head, distance], learned for every distance below a range; farther keys get
/// nothing.  bias [H, R]: `before`: R distances back, the query's own place first, for causal attention; `both`: R odd,
/// the query's own place in the middle (Shaw et al. 2018, arXiv:1803.02155, with a number for each vector).
inline auto local_bias(tensor bias, sides seen = sides::both) {
  const long entries = bias.dim(1), own = seen == sides::both ? entries / 2 : 0;
  if (seen == sides::both && entries % 2 == 0)
    refuse("local_bias", "an odd number of distances on both sides", std::to_string(entries));
  const long sign = seen == sides::both ? 1 : -1;
  return score{[=](auto s, auto at, auto table) {
    auto place = own + sign * (at.key - at.query);
    auto held = max(min(place, entries - 1), 0);
    return select(place == held, s + table[at.head, held], s);
  }, parameter{bias, "local bias", "H R"}};
}

/// A dense bias added to every score: bias [B or 1, H or 1, T or 1, S] (pair bias of AlphaFold type; an additive mask).
/// Its gradient is summed over the axes of size 1.
inline auto additive_bias(tensor bias) {
  if (bias.rank() != 4) refuse("additive_bias", "bias [B or 1, H or 1, T or 1, S]", to_string(bias.shape()));
  const long b = bias.dim(0) > 1, h = bias.dim(1) > 1, t = bias.dim(2) > 1;
  return score{[=](auto s, auto at, auto value) { return s + value[at.batch * b, at.head * h, at.row * t, at.key]; },
               parameter{bias, "additive bias", "B|1 H|1 T|1 S"}};
}

}  // namespace qkv
