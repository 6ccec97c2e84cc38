// The activations and their derivatives on lanes; for *_kernel.cpp files.
#pragma once
#include "qkv/kernels/activation.h"
#include "qkv/numbers/lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {

/// Phi(x), the normal distribution's integral, and exp(-x^2 / 2), from which GELU and its derivative are made.
struct normal_integral {
  lanes<float> phi, bell;
};

/// erfc(y) = t P(t) exp(-y^2) with t = 1 / (1 + p y): Abramowitz & Stegun 1964, 7.1.26, absolute error 1.5e-7.
[[gnu::always_inline]] inline normal_integral normal_integral_of(lanes<float> x) {
  using real = lanes<float>;
  const real y = abs(x) * real(0.70710678f);
  const real t = real(1.f) / fma(y, real(0.3275911f), real(1.f));
  real p = fma(t, real(1.061405429f), real(-1.453152027f));
  p = fma(p, t, real(1.421413741f));
  p = fma(p, t, real(-0.284496736f));
  p = fma(p, t, real(0.254829592f));
  // exp2 stops at 2^-126; beyond 9.3 the bell is below that and counts as 0.
  const real bell = keep(y < real(9.3f), exp2(y * y * real(-1.44269504f)));
  const real tail = real(0.5f) * p * t * bell;
  return {select(x < real(0.f), tail, real(1.f) - tail), bell};
}

/// x times a factor that vanishes at -inf faster than x grows.
[[gnu::always_inline]] inline lanes<float> times_vanishing(lanes<float> x, lanes<float> factor) {
  return max(lanes<float>(-3.4028235e38f), x) * factor;  // -inf becomes finite, NaN stays
}

struct gelu_lanes {
  [[gnu::always_inline]] static lanes<float> value(lanes<float> x) {
    return times_vanishing(x, normal_integral_of(x).phi);
  }
  [[gnu::always_inline]] static lanes<float> derivative(lanes<float> x) {
    const auto [phi, bell] = normal_integral_of(x);
    const lanes<float> slope = x * bell * lanes<float>(0.39894228f);
    return phi + select(abs(x) == lanes<float>(__builtin_inff()), lanes<float>(0.f), slope);
  }
};

/// 0.5 (1 + tanh(u)) is sigmoid(2 u).
struct gelu_tanh_lanes {
  [[gnu::always_inline]] static lanes<float> twice_u(lanes<float> x) {
    return lanes<float>(1.5957691f) * x * fma(x * x, lanes<float>(0.044715f), lanes<float>(1.f));
  }
  [[gnu::always_inline]] static lanes<float> value(lanes<float> x) { return times_vanishing(x, sigmoid(twice_u(x))); }
  [[gnu::always_inline]] static lanes<float> derivative(lanes<float> x) {
    const lanes<float> s = sigmoid(twice_u(x));
    const lanes<float> du = lanes<float>(1.5957691f) * fma(x * x, lanes<float>(0.134145f), lanes<float>(1.f));
    const lanes<float> slope = x * s * (lanes<float>(1.f) - s) * du;
    // Beyond 40 the slope is 0, while x^3 may overflow on the way there.
    return s + select(abs(x) > lanes<float>(40.f), lanes<float>(0.f), slope);
  }
};

struct silu_lanes {
  [[gnu::always_inline]] static lanes<float> value(lanes<float> x) { return times_vanishing(x, sigmoid(x)); }
  [[gnu::always_inline]] static lanes<float> derivative(lanes<float> x) {
    const lanes<float> s = sigmoid(x);
    return s + select(abs(x) > lanes<float>(150.f), lanes<float>(0.f), x * s * (lanes<float>(1.f) - s));
  }
};

struct relu_lanes {
  [[gnu::always_inline]] static lanes<float> value(lanes<float> x) {
    return select(x < lanes<float>(0.f), lanes<float>(0.f), x);
  }
  [[gnu::always_inline]] static lanes<float> derivative(lanes<float> x) {
    return select(x == x, keep(x > lanes<float>(0.f), lanes<float>(1.f)), x);
  }
};

struct tanh_lanes {
  [[gnu::always_inline]] static lanes<float> value(lanes<float> x) { return tanh(x); }
  [[gnu::always_inline]] static lanes<float> derivative(lanes<float> x) {
    const lanes<float> t = tanh(x);
    return lanes<float>(1.f) - t * t;
  }
};

struct sigmoid_lanes {
  [[gnu::always_inline]] static lanes<float> value(lanes<float> x) { return sigmoid(x); }
  [[gnu::always_inline]] static lanes<float> derivative(lanes<float> x) {
    const lanes<float> s = sigmoid(x);
    return s * (lanes<float>(1.f) - s);
  }
};

struct identity_lanes {
  [[gnu::always_inline]] static lanes<float> value(lanes<float> x) { return x; }
  [[gnu::always_inline]] static lanes<float> derivative(lanes<float>) { return lanes<float>(1.f); }
};

/// Calls body with the class of f: one decision outside the loop instead of one an element.
template <class Body>
[[gnu::always_inline]] inline void with_activation(activation f, const Body& body) {
  switch (f) {
    case activation::none:
      return body(identity_lanes{});
    case activation::gelu:
      return body(gelu_lanes{});
    case activation::gelu_tanh:
      return body(gelu_tanh_lanes{});
    case activation::silu:
      return body(silu_lanes{});
    case activation::relu:
      return body(relu_lanes{});
    case activation::tanh:
      return body(tanh_lanes{});
    case activation::sigmoid:
      return body(sigmoid_lanes{});
  }
}

}  // namespace qkv::QKV_INSTRUCTION_SET
