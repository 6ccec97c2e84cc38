// Similarity of a query and a key: a sum over channels c of term(q[c], k[c], w[c]).
// That one form holds them all; the dot products among them run as matrix products.
#pragma once
#include <array>
#include "qkv/attention/position.h"

namespace qkv {

/// What is done to queries and keys first.  unit: each is divided by its length.  projected: queries are multiplied by
/// the similarity's matrix.
enum class vectors { as_given, unit, projected };
enum class scaling { none, inverse_sqrt };     ///< inverse_sqrt: times 1/sqrt(D)
enum class form { pairwise, dot, distance };   ///< what the kernels may use in place of the term

/// A rule `[](auto q, auto k) { return -abs(q - k); }` over channels.  Learned channel weights follow
/// the lambda, each [D], as one more argument:
///
///     similarity([](auto q, auto k, auto w) { return w * q * k; }, weights)
template <class F, int P>
struct similarity {
  F term;
  std::array<parameter, P> parameters;
  vectors prepare = vectors::as_given;
  scaling scale = scaling::none;
  qkv::form form = form::pairwise;
  const char* name = "a similarity lambda";

  constexpr similarity(F f)
    requires(P == 0)
      : term(f) {}
  constexpr similarity(F f, vectors r, scaling s, qkv::form m, const char* n)
    requires(P == 0)
      : term(f), prepare(r), scale(s), form(m), name(n) {}
  similarity(F f, tensor w, const char* n = "a similarity lambda")
    requires(P == 1)
      : term(f), parameters{parameter{w, "channel weights", "D"}}, name(n) {}
};
template <class F> similarity(F) -> similarity<F, 0>;
template <class F> similarity(F, vectors, scaling, form, const char*) -> similarity<F, 0>;
template <class F> similarity(F, tensor) -> similarity<F, 1>;
template <class F> similarity(F, tensor, const char*) -> similarity<F, 1>;

/// q . k / sqrt(D), the default (Attention Is All You Need, arXiv:1706.03762).
inline constexpr similarity dot{[](auto q, auto k) { return q * k; }, vectors::as_given, scaling::inverse_sqrt, form::dot, "dot"};

/// q . k / (|q| |k|), unscaled: follow it by scale(t) (Graves, NTM, arXiv:1410.5401; Swin v2).
inline constexpr similarity cosine{[](auto q, auto k) { return q * k; }, vectors::unit, scaling::none, form::dot, "cosine"};

/// -|q - k|^2: softmax of it is the Gaussian kernel (Nadaraya-Watson regression).
inline constexpr similarity negative_squared_distance{[](auto q, auto k) { return -(q - k) * (q - k); },
                                                      vectors::as_given, scaling::none, form::distance, "negative_squared_distance"};

/// v . tanh(q + k), the one-layer network of Bahdanau (arXiv:1409.0473).  v [D].
/// Project queries and keys first: W q and U k.
inline auto additive(tensor v) {
  return similarity{[](auto q, auto k, auto w) { return w * tanh(q + k); }, v, "additive"};
}

/// q' W k, unscaled, with a learned matrix W [D, D] or one for each head [H, D, D] (Luong's "general" score,
/// arXiv:1508.04025, eq. 7).
inline auto bilinear(tensor matrix) {
  similarity s{[](auto q, auto k, auto) { return q * k; }, matrix, "bilinear"};
  if (matrix.rank() != 2 && matrix.rank() != 3) refuse("bilinear", "a matrix [D, D] or [H, D, D]", to_string(matrix.shape()));
  s.parameters[0].name = "matrix";
  s.parameters[0].letters = matrix.rank() == 2 ? "D D" : "H D D";
  s.prepare = vectors::projected;
  s.form = form::dot;
  return s;
}

/// Replaces the similarity's own scale.
struct scale {
  double factor;
  explicit constexpr scale(double f) : factor(f) {
    if (!(f - f == 0)) refuse("scale", "a finite number", std::to_string(f));
  }
};

namespace detail {
using scale_part = scale;
}

}  // namespace qkv
