#include "qkv/kernels/optimizer.h"

#include "qkv/kernels/partial_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

void adamw(float* p, const float* gradient, float* m, float* v, long n, const adamw_constants& c) {
  using number = lanes<float>;
  for_lanes(n, [&](long i, auto part) {
    const number old = load_part(p + i, part);
    const number g = fma(number(c.penalty), old, load_part(gradient + i, part) * number(c.gradient_scale));
    const number first = fma(number(c.beta1), load_part(m + i, part), number(c.one_minus_beta1) * g);
    const number second = fma(number(c.beta2), load_part(v + i, part), number(c.one_minus_beta2) * g * g);
    const number step = number(c.rate) * first / fma(sqrt(second), number(c.root_scale), number(c.epsilon));
    store_part(m + i, first, part);
    store_part(v + i, second, part);
    store_part(p + i, number(c.keep) * old - step, part);
  });
}

void sgd(float* p, const float* gradient, float* v, long n, const sgd_constants& c) {
  using number = lanes<float>;
  for_lanes(n, [&](long i, auto part) {
    const number old = load_part(p + i, part);
    const number g = fma(number(c.penalty), old, load_part(gradient + i, part) * number(c.gradient_scale));
    const number velocity = fma(number(c.momentum), load_part(v + i, part), g);
    store_part(v + i, velocity, part);
    store_part(p + i, old - number(c.rate) * velocity, part);
  });
}

/// Sum of f(x[i]) in double, in eight interleaved sums that the compiler keeps in registers.
template <class F>
[[gnu::always_inline]] inline double sum_in_double(const float* x, long n, const F& f) {
  constexpr int chains = 2 * width;
  double s[chains] = {};
  long i = 0;
  for (; i + chains <= n; i += chains)
    for (int c = 0; c < chains; ++c) s[c] += f(double(x[i + c]));
  for (; i < n; ++i) s[0] += f(double(x[i]));
  for (int half = chains / 2; half > 0; half /= 2)
    for (int c = 0; c < half; ++c) s[c] += s[c + half];
  return s[0];
}

double squared_norm(const float* x, long n) {
  return sum_in_double(x, n, [](double a) { return a * a; });
}
double sum_of_span(const float* x, long n) {
  return sum_in_double(x, n, [](double a) { return a; });
}

}  // namespace

extern const optimizer_kernels optimizer = {adamw, sgd, squared_norm, sum_of_span};

}  // namespace qkv::QKV_INSTRUCTION_SET
