// Linear attention: a state that is written at every token instead of a softmax over all of them.
//
//     tensor out = linear_attention(q, k, v, {.features = features::elu_plus_one, .normalise = true});
//     const auto run = linear_attention_forward(q, k, v, {.rule = update_rule::gated_delta, .decay = g, .beta = b});
//     const auto next = linear_attention_forward(q2, k2, v2, {..., .state = run.state});     the sequence goes on
//
// Letters of the shapes as in qkv/attention/attention.h:
//   B sequences   T queries   S keys (S = T when causal)   H query heads   G key heads (H is a multiple of G)
//   D channels of queries and keys     E channels of values
#pragma once
#include <optional>

#include "qkv/linear_attention/feature_map.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// How a token writes to the state S [D, E].  k, v, g (decay) and b (beta) are those of token t:
///
///     linear        S_t = S_{t-1} + k v'
///     gated         S_t = exp(g) S_{t-1} + k v'
///     delta         S_t = S_{t-1} + b k (v - S_{t-1}' k)'
///     gated_delta   S_t = exp(g) S_{t-1} + b k (v - exp(g) S_{t-1}' k)'
///
/// They are the update rules of ONNX's operator LinearAttention (opset 27), under the same names.
/// Source: Katharopoulos et al. 2020 (arXiv:2006.16236, eq. 18), Yang et al. 2023 (arXiv:2312.06635, eq. 3), Yang et
/// al. 2024 (arXiv:2406.06484, section 2.2), Yang et al. 2024 (arXiv:2412.06464, eq. 10).
enum class update_rule { linear, gated, delta, gated_delta };

/// "linear", "gated", "delta", "gated_delta".
const char* name_of(update_rule rule);

struct linear_attention_options {
  update_rule rule = update_rule::linear;
  /// phi, applied to every channel of queries and keys: ready-made or [](auto x) { return ...; }.
  feature_map features = features::identity;
  /// Query t reads S_t; otherwise all queries read the state after the last key (rule linear; S may differ from T).
  bool causal = true;
  /// Divides by what the same recurrence gives for values of 1: sum over s of phi(q_t) . phi(k_s).  Rules linear and
  /// gated.  The state then has a column more, the sum of keys.  A query whose divisor is 0 gives 0 and no gradient.
  bool normalise = false;
  std::optional<double> scale{};  ///< of the output; 1 / sqrt(D) when not given
  tensor decay{};  ///< g [B, T, G], or [B, T, G, D] for each channel of the key; rules gated, gated_delta
  tensor beta{};   ///< b [B, T, G], or [B, T, 1] for all heads; rules delta and gated_delta
  tensor state{};  ///< S_0 [B, G, D, E], [B, G, D, E + 1] when normalised; zeros when not given
};

/// Gradients; those of decay and beta have the shapes of the options, and are empty where there is no such input.
struct linear_attention_gradients {
  tensor dq, dk, dv, ddecay, dbeta, dstate;
};

namespace detail {
struct linear_attention_memory;
}

/// A finished forward pass and what its backward pass needs.  Shares storage with its inputs: leave them as they are.
class linear_attention_run {
 public:
  tensor out;    ///< [B, T, H, E]
  tensor state;  ///< after the last token, as in the options, for the next call: [B, G, D, E or E + 1]

  /// Gradients of sum(out * dout) + sum(state * dstate).  dout [B, T, H, E]; dstate like state, left out: zeros.
  /// Throws shape_error.  Cost: two to three times the forward pass; memory as there.
  linear_attention_gradients backward(const tensor& dout, const tensor& dstate = {}) const;

 private:
  friend linear_attention_run linear_attention_forward(const tensor&, const tensor&, const tensor&,
                                                       const linear_attention_options&);
  std::shared_ptr<const detail::linear_attention_memory> memory_;
};

/// Linear attention, ready for its backward pass.  Takes what `linear_attention` takes.
linear_attention_run linear_attention_forward(const tensor& q, const tensor& k, const tensor& v,
                                              const linear_attention_options& options = {});

/// Every query reads from a state that the tokens before it, and its own, have written:
///
///     out[b,t,h] = scale * S_t' phi(q[b,t,h])          S_t from S_{t-1}, phi(k[b,t,g]) and v[b,t,g]: see update_rule
///
///   q  [B, T, H, D]    k  [B, S, G, D]    v  [B, S, G, E]    returns  [B, T, H, E]
///   float32, any strides with unit stride in the last axis (others are copied).
///
/// Head h reads the state of key head h / (H / G).  A sequence in pieces, each from the state of the one before, gives
/// the same numbers as the whole: the same bits where pieces end at multiples of 64 tokens and nothing decays, up to
/// rounding elsewhere.
/// A decay of -infinity forgets everything before its token.  NaN and infinity in q, k, v or a decay reach no earlier
/// token; an infinity that arises on the way may reach its neighbours within 64 tokens.
/// Throws shape_error when shapes or options do not fit, unsupported_error for a rule with an option that it lacks.
/// Cost: about 2 D E + 64 (D + E) multiply-adds a token and head, half as many again for the delta rules; memory
/// O(T (D + E) + T D E / 64).  Never T x S.
/// Source: Katharopoulos et al. 2020, eq. 8 to 12; in chunks: Yang et al. 2024, arXiv:2406.06484, section 3.
tensor linear_attention(const tensor& q, const tensor& k, const tensor& v,
                        const linear_attention_options& options = {});

}  // namespace qkv
