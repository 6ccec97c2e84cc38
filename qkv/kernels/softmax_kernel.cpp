#include "qkv/kernels/softmax.h"

#include "qkv/kernels/reduce_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

using number = lanes<float>;

constexpr float infinity = __builtin_inff();

void fill(float* y, float value, long n) {
  for_lanes(n, [&](long j, auto part) { store_part(y + j, number(value), part); });
}

void softmax(float* y, const float* x, long n) {
  const float most = maximum_of(x, n);
  if (most == -infinity) return fill(y, 0.f, n);
  // With +inf or NaN in the row, inf - inf or NaN - NaN below makes the whole row NaN.
  const float total = sum_of(n, [&](long j, auto part) {
    const number e = exp(load_part(x + j, part) - number(most));
    store_part(y + j, e, part);
    return e;
  });
  const number factor = 1.f / total;
  for_lanes(n, [&](long j, auto part) { store_part(y + j, load_part(y + j, part) * factor, part); });
}

void softmax_backward(float* dx, const float* dy, const float* y, long n, bool accumulate) {
  const number mean = sum_of(n, [&](long j, auto part) { return load_part(dy + j, part) * load_part(y + j, part); });
  for_lanes(n, [&](long j, auto part) {
    const number d = load_part(y + j, part) * (load_part(dy + j, part) - mean);
    store_part(dx + j, accumulate ? load_part(dx + j, part) + d : d, part);
  });
}

float log_sum_exp(const float* x, long n) {
  const float most = maximum_of(x, n);
  if (most == -infinity || most == infinity) return most;
  const float total = sum_of(n, [&](long j, auto part) { return exp(load_part(x + j, part) - number(most)); });
  float logarithm[width];
  store(logarithm, log(number(total)));
  return most + logarithm[0];
}

void scaled_softmax(float* dx, const float* x, float log_sum_exp_of_row, float factor, float less, long n) {
  for_lanes(n, [&](long j, auto part) {
    store_part(dx + j, number(factor) * exp(load_part(x + j, part) - number(log_sum_exp_of_row)) - number(less), part);
  });
}

float sum(const float* x, long n) {
  return sum_of(n, [&](long j, auto part) { return load_part(x + j, part); });
}

}  // namespace

extern const softmax_kernels softmax_rows = {softmax, softmax_backward, log_sum_exp, scaled_softmax, sum};

}  // namespace qkv::QKV_INSTRUCTION_SET
