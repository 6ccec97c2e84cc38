#include "qkv/kernels/elementwise.h"

#include "qkv/kernels/activation_lanes.h"
#include "qkv/kernels/partial_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

using number = lanes<float>;

/// y[i] = f(i, part) or y[i] += f(i, part); part says how many lanes there are.
template <class F>
[[gnu::always_inline]] inline void write_each(float* y, long n, bool accumulate, const F& f) {
  if (accumulate)
    for_lanes(n, [&](long i, auto part) { store_part(y + i, load_part(y + i, part) + f(i, part), part); });
  else
    for_lanes(n, [&](long i, auto part) { store_part(y + i, f(i, part), part); });
}

void add(float* y, const float* a, const float* b, long n) {
  write_each(y, n, false, [&](long i, auto part) { return load_part(a + i, part) + load_part(b + i, part); });
}

void multiply(float* y, const float* a, const float* b, long n, bool accumulate) {
  write_each(y, n, accumulate, [&](long i, auto part) { return load_part(a + i, part) * load_part(b + i, part); });
}

void scale(float* y, const float* x, float factor, long n, bool accumulate) {
  write_each(y, n, accumulate, [&](long i, auto part) { return load_part(x + i, part) * number(factor); });
}

void activate(float* y, const float* x, long n, activation f) {
  with_activation(f, [&](auto g) {
    write_each(y, n, false, [&](long i, auto part) { return decltype(g)::value(load_part(x + i, part)); });
  });
}

void activate_backward(float* dx, const float* dy, const float* x, long n, activation f, bool accumulate) {
  with_activation(f, [&](auto g) {
    write_each(dx, n, accumulate, [&](long i, auto part) {
      return load_part(dy + i, part) * decltype(g)::derivative(load_part(x + i, part));
    });
  });
}

void swiglu(float* y, const float* gate, const float* up, long n) {
  write_each(y, n, false,
             [&](long i, auto part) { return silu_lanes::value(load_part(gate + i, part)) * load_part(up + i, part); });
}

void swiglu_backward(float* dgate, float* dup, const float* dy, const float* gate, const float* up, long n,
                     bool accumulate) {
  for_lanes(n, [&](long i, auto part) {
    const number d = load_part(dy + i, part), g = load_part(gate + i, part), u = load_part(up + i, part);
    number to_gate = d * u * silu_lanes::derivative(g), to_up = d * silu_lanes::value(g);
    if (accumulate) to_gate = to_gate + load_part(dgate + i, part), to_up = to_up + load_part(dup + i, part);
    store_part(dgate + i, to_gate, part);
    store_part(dup + i, to_up, part);
  });
}

/// Four registers of columns at a time go down the rows, so that a cache line is read once.
void sum_rows(float* y, const float* x, long stride, long rows, long n, bool accumulate) {
  long j = 0;
  for (; j + 4 * width <= n; j += 4 * width) {
    number s[4];
    for (int c = 0; c < 4; ++c) s[c] = accumulate ? load(y + j + c * width) : number(0.f);
    for (long i = 0; i < rows; ++i)
      for (int c = 0; c < 4; ++c) s[c] = s[c] + load(x + i * stride + j + c * width);
    for (int c = 0; c < 4; ++c) store(y + j + c * width, s[c]);
  }
  for_lanes(n - j, [&](long c, auto part) {
    number s = accumulate ? load_part(y + j + c, part) : number(0.f);
    for (long i = 0; i < rows; ++i) s = s + load_part(x + i * stride + j + c, part);
    store_part(y + j + c, s, part);
  });
}

}  // namespace

extern const elementwise_kernels elementwise = {add,    multiply,        scale,   activate, activate_backward,
                                                swiglu, swiglu_backward, sum_rows};

}  // namespace qkv::QKV_INSTRUCTION_SET
