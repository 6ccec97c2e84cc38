#include "qkv/kernels/convolution.h"

#include "qkv/kernels/partial_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

using number = lanes<float>;

void convolve(float* y, const float* x, long x_stride, const float* w, long w_stride, long taps, const float* bias,
              long n, bool accumulate) {
  for_lanes(n, [&](long j, auto part) {
    number sum = bias ? load_part(bias + j, part) : number(0.f);
    for (long k = 0; k < taps; ++k)
      sum = fma(load_part(w + k * w_stride + j, part), load_part(x + k * x_stride + j, part), sum);
    if (accumulate) sum = sum + load_part(y + j, part);
    store_part(y + j, sum, part);
  });
}

void add_products(float* y, const float* a, long a_stride, const float* b, long b_stride, long rows, long n) {
  for_lanes(n, [&](long j, auto part) {
    number sum = load_part(y + j, part);
    for (long i = 0; i < rows; ++i)
      sum = fma(load_part(a + i * a_stride + j, part), load_part(b + i * b_stride + j, part), sum);
    store_part(y + j, sum, part);
  });
}

}  // namespace

extern const convolution_kernels convolution = {convolve, add_products};

}  // namespace qkv::QKV_INSTRUCTION_SET
