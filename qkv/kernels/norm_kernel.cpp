#include "qkv/kernels/norm.h"

#include "qkv/kernels/reduce_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

using number = lanes<float>;

[[gnu::always_inline]] inline void add_rows(float* to, const float* a, const float* b, long n) {
  for_lanes(n, [&](long j, auto part) { store_part(to + j, load_part(a + j, part) + load_part(b + j, part), part); });
}

/// y = (x - mean) * inverse * weight + bias.
[[gnu::always_inline]] inline void write_normalized(const norm_forward& a, float* y, const float* x, float mean,
                                                    float inverse) {
  for_lanes(a.width, [&](long j, auto part) {
    number n = (load_part(x + j, part) - number(mean)) * number(inverse);
    if (a.weight) n = n * load_part(a.weight + j, part);
    if (a.bias) n = n + load_part(a.bias + j, part);
    store_part(y + j, n, part);
  });
}

/// `Centred`: layer norm; else RMS norm, which is the same with mean 0.
template <bool Centred>
void forward(const norm_forward& a) {
  const float over_width = 1.f / float(a.width);
  for (long i = 0; i < a.rows; ++i) {
    const float* x = a.x + i * a.x_stride;
    if (a.residual) {
      float* added = a.sum + i * a.sum_stride;
      add_rows(added, x, a.residual + i * a.residual_stride, a.width);
      x = added;
    }
    const float mean =
        Centred ? sum_of(a.width, [&](long j, auto part) { return load_part(x + j, part); }) * over_width : 0.f;
    const float variance = over_width * sum_of(a.width, [&](long j, auto part) {
                             const number d = load_part(x + j, part) - number(mean);
                             return d * d;
                           });
    const float inverse = 1.f / __builtin_sqrtf(variance + a.epsilon);
    if (a.mean) a.mean[i] = mean;
    if (a.inverse) a.inverse[i] = inverse;
    write_normalized(a, a.y + i * a.y_stride, x, mean, inverse);
  }
}

/// With n = (x - mean) * inverse and g = dy * weight:
///   dx = inverse * (g - mean(g) - n * mean(g n))          (RMS norm: without mean(g))
template <bool Centred>
void backward(const norm_backward& a) {
  const float over_width = 1.f / float(a.width);
  for (long i = 0; i < a.rows; ++i) {
    const float* x = a.x + i * a.x_stride;
    const float* dy = a.dy + i * a.dy_stride;
    const number mean = Centred ? a.mean[i] : 0.f, inverse = a.inverse[i];
    const auto normalized = [&](long j, auto part) { return (load_part(x + j, part) - mean) * inverse; };
    const auto weighted = [&](long j, auto part) {
      const number d = load_part(dy + j, part);
      return a.weight ? d * load_part(a.weight + j, part) : d;
    };
    const number mean_g = Centred ? over_width * sum_of(a.width, weighted) : 0.f;
    const number mean_gn =
        over_width * sum_of(a.width, [&](long j, auto part) { return weighted(j, part) * normalized(j, part); });
    for_lanes(a.width, [&](long j, auto part) {
      const number d = load_part(dy + j, part), n = normalized(j, part), g = weighted(j, part);
      if (a.dweight) store_part(a.dweight + j, fma(d, n, load_part(a.dweight + j, part)), part);
      if (a.dbias) store_part(a.dbias + j, load_part(a.dbias + j, part) + d, part);
      if (!a.dx) return;
      float* dx = a.dx + i * a.dx_stride + j;
      const number r = inverse * (g - mean_g - n * mean_gn);
      store_part(dx, a.accumulate ? load_part(dx, part) + r : r, part);
    });
  }
}

}  // namespace

extern const norm_kernels norm = {forward<true>, backward<true>, forward<false>, backward<false>};

}  // namespace qkv::QKV_INSTRUCTION_SET
