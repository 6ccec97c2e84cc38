// Weighting: from the scores of a row to its weights.  All of them are one shape,
//     weight = activation(score - threshold),
// and differ in the activation and in what fixes the threshold: nothing (0), or that the row sums to 1.
// Softmax is exp with threshold = log-sum-exp; sparsemax is max(x, 0); entmax 1.5 is max(x/2, 0)^2.
// So one backward pass serves them all.  Only dividing by the sum (signed_weights) stands outside this shape.
#pragma once
#include <array>

#include "qkv/attention/position.h"

namespace qkv {

/// yes: the threshold makes the row sum to 1.  by_division: the weights are divided by the sum of their magnitudes.
enum class normalised { no, yes, by_division };
enum class closed { none, exponential };       ///< a threshold known in closed form
struct row_rule {
  long keep = 0;                 ///< only the `keep` best links of a row; 0 keeps all
  bool blind = false;            ///< scores count as 0
};

/// A rule `[](auto x) { return ...; }`: not decreasing and never negative where weights are to sum to 1.
/// P = 1: one more score per head takes part in the sum and has no value (a sink).
template <class F, int P = 0>
struct weighting {
  F activation;
  normalised sum_to_one = normalised::no;
  qkv::closed closed = closed::none;
  row_rule row = {};
  const char* name = "a weighting lambda";
  std::array<parameter, P> sink = {};
};
template <class F> weighting(F) -> weighting<F>;
template <class F> weighting(F, normalised) -> weighting<F>;
template <class F> weighting(F, normalised, closed) -> weighting<F>;
template <class F> weighting(F, normalised, closed, row_rule) -> weighting<F>;
template <class F> weighting(F, normalised, closed, row_rule, const char*) -> weighting<F>;
template <class F> weighting(F, normalised, closed, row_rule, const char*, std::array<parameter, 1>) -> weighting<F, 1>;

namespace activations {
inline constexpr auto exponential = [](auto x) { return exp(x); };
inline constexpr auto positive_part = [](auto x) { return select(x <= 0, decltype(x)(0), x); };  // NaN stays NaN
inline constexpr auto half_squared = [](auto x) { auto h = positive_part(x) / 2; return h * h; };
inline constexpr auto itself = [](auto x) { return x; };
}  // namespace activations

/// The default: weights in proportion to exp(score).
inline constexpr weighting softmax{activations::exponential, normalised::yes, closed::exponential, row_rule{}, "softmax"};

/// Softmax with one more score per head that takes weight and gives no value, so a row may attend to
/// (almost) nothing.  sinks [H], learned (gpt-oss; "softmax off by one" is a sink of 0).
inline auto softmax_with_sink(tensor sinks) {
  return weighting{activations::exponential, normalised::yes, closed::exponential, row_rule{}, "softmax_with_sink",
                   std::array{parameter{sinks, "sinks", "H"}}};
}

/// Softmax over the `count` best links of each row; ties go to the earlier key.
constexpr auto top_k(long count) {
  if (count < 1) refuse("top_k", "a count of at least 1", std::to_string(count));
  return weighting{activations::exponential, normalised::yes, closed::exponential, row_rule{.keep = count}, "top_k"};
}
/// All weight on the best link.  Its gradient to queries and keys is zero.
inline constexpr weighting hardmax = top_k(1);

/// Equal weight on every link of the mask: the baseline any attention should beat.
inline constexpr weighting uniform{activations::exponential, normalised::yes, closed::exponential, row_rule{.blind = true}, "uniform"};

/// Euclidean projection on the simplex: sparse weights (Martins & Astudillo, arXiv:1602.02068).
inline constexpr weighting sparsemax{activations::positive_part, normalised::yes, closed::none, row_rule{}, "sparsemax"};

/// Halfway between softmax and sparsemax (Peters, Niculae & Martins, arXiv:1905.05702).
inline constexpr weighting entmax15{activations::half_squared, normalised::yes, closed::none, row_rule{}, "entmax15"};

/// 1 / (1 + exp(-score)), not normalised.  Pass `bias` -log(T) as in arXiv:2409.04431.
inline auto sigmoid_weights(double bias = 0) {
  return weighting{[=](auto x) { return sigmoid(x + bias); }, normalised::no, closed::none, row_rule{}, "sigmoid_weights"};
}

/// max(score, 0), not normalised (divide by T as in arXiv:2309.08586 with `relu_weights(1.0 / T)`).
inline auto relu_weights(double factor = 1) {
  return weighting{[=](auto x) { return factor * activations::positive_part(x); }, normalised::no, closed::none, row_rule{}, "relu_weights"};
}

/// max(score, 0)^2, not normalised (Primer, arXiv:2109.08668, as a weighting).
inline auto squared_relu_weights(double factor = 1) {
  return weighting{[=](auto x) { auto y = activations::positive_part(x); return factor * (y * y); }, normalised::no, closed::none, row_rule{}, "squared_relu_weights"};
}

/// The score itself, which may be negative: what the lecture notes argue against, to argue with.  `by_division` divides
/// by the sum of magnitudes, so that these sum to 1; a row whose scores are all 0 then gives 0, without gradient.
constexpr auto signed_weights(normalised how = normalised::no) {
  return weighting{activations::itself, how, closed::none, row_rule{}, "signed_weights"};
}

}  // namespace qkv
