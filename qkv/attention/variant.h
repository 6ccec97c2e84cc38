// variant: an attention variant is at most one similarity, mask, weighting, scale, alignment and layout, and any number
// of scores, told apart by what they are and so given in any order.
#pragma once
#include <tuple>

#include "qkv/attention/dropout.h"
#include "qkv/attention/layout.h"
#include "qkv/attention/mask.h"
#include "qkv/attention/score.h"
#include "qkv/attention/similarity.h"
#include "qkv/attention/weighting.h"

namespace qkv {
namespace detail {

template <class T> constexpr bool is_score = false;
template <class F, int P> constexpr bool is_score<score<F, P>> = true;
template <class T> constexpr bool is_similarity = false;
template <class F, int P> constexpr bool is_similarity<similarity<F, P>> = true;
template <class T> constexpr bool is_weighting = false;
template <class F, int P> constexpr bool is_weighting<weighting<F, P>> = true;

template <class T>
constexpr bool is_named = is_mask<T> || is_score<T> || is_similarity<T> || is_weighting<T> || std::same_as<T, scale> ||
                          std::same_as<T, alignment> || std::same_as<T, sequences> || std::same_as<T, attention_dropout>;

// Only these questions may be asked of a lambda: a wrong arity is a plain "no", but a body that does not compile is an
// error on the spot.  So each is asked only after those above it have failed.
using probe = position<whole_scalar>;
using probed = learned<real_scalar, whole_scalar>;
template <class F> concept mask_lambda = std::invocable<const F&, probe>;
template <class F> concept score_lambda = std::invocable<const F&, real_scalar, probe>;
template <class F> concept learning_lambda = std::invocable<const F&, real_scalar, probe, probed> ||
                                             std::invocable<const F&, real_scalar, probe, probed, probed>;
template <class F> concept typed_lambda = std::invocable<const F&, double, probe>;
template <class F> concept flex_lambda = std::invocable<const F&, long, long, long, long> ||
                                         std::invocable<const F&, double, long, long, long, long>;
template <class...> constexpr bool never = false;

}  // namespace detail

template <class... Parts>
struct attention_variant;

namespace detail {
template <class T> constexpr bool is_variant = false;
template <class... P> constexpr bool is_variant<attention_variant<P...>> = true;

template <class T>
auto parts_of(const T& part) {
  if constexpr (is_variant<T>) return part.parts;
  else if constexpr (is_named<T>) return std::tuple(part);
  else if constexpr (std::same_as<T, tensor>) {
    static_assert(never<T>,
                  "qkv: a tensor stands among the parts; learned parameters go into their part, as in alibi(slopes) or "
                  "score(lambda, slopes)");
    return std::tuple();
  } else if constexpr (mask_lambda<T>) return std::tuple(mask{part});
  else if constexpr (score_lambda<T>) return std::tuple(score{part});
  else {
    if constexpr (learning_lambda<T>)
      static_assert(never<T>, "qkv: this score lambda takes learned parameters; write score(lambda, parameters...)");
    else if constexpr (typed_lambda<T>)
      static_assert(never<T>,
                    "qkv: this lambda is not generic; write [](auto s, auto at), and tanh(s) rather than std::tanh(s), "
                    "so that it also runs on SIMD lanes and derivatives");
    else if constexpr (flex_lambda<T>)
      static_assert(never<T>,
                    "qkv: write [](auto s, auto at) with at.batch, at.head, at.query, at.key (and [](auto at) for a "
                    "mask)");
    else
      static_assert(never<T>,
                    "qkv: not a part of attention; expected a similarity, a mask, a score, a weighting, scale, an "
                    "alignment, sequences, attention_dropout, or a lambda [](auto at) or [](auto s, auto at)");
    return std::tuple();
  }
}
}  // namespace detail

/// Several parts under one name, to be passed wherever parts go:
///
///     attention_variant mistral{causal & sliding_window(4096), scale(0.125)};
///     tensor out = attention(q, k, v, mistral);
template <class... Parts>
struct attention_variant {
  using tuple = decltype(std::tuple_cat(detail::parts_of(std::declval<const Parts&>())...));
  tuple parts;
  constexpr attention_variant(const Parts&... p) : parts(std::tuple_cat(detail::parts_of(p)...)) {}
};
template <class... Parts> attention_variant(Parts...) -> attention_variant<Parts...>;

}  // namespace qkv
