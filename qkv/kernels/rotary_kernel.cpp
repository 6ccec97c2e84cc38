#include "qkv/kernels/rotary.h"

#include "qkv/kernels/partial_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

void half_split(float* y, const float* x, const float* cosine, const float* sine, float direction, long half) {
  for_lanes(half, [&](long p, auto part) {
    const lanes<float> c = load_part(cosine + p, part), s = load_part(sine + p, part) * lanes<float>(direction);
    const lanes<float> a = load_part(x + p, part), b = load_part(x + half + p, part);
    store_part(y + p, a * c - b * s, part);
    store_part(y + half + p, b * c + a * s, part);
  });
}

void interleaved(float* y, const float* x, const float* cosine, const float* sine, float direction, long half) {
  for (long p = 0; p < half; ++p) {
    const float a = x[2 * p], b = x[2 * p + 1], c = cosine[p], s = sine[p] * direction;
    y[2 * p] = a * c - b * s;
    y[2 * p + 1] = b * c + a * s;
  }
}

}  // namespace

extern const rotary_kernels rotary_rows = {half_split, interleaved};

}  // namespace qkv::QKV_INSTRUCTION_SET
