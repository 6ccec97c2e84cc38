#include "qkv/nn/positions.h"

#include <cmath>

namespace qkv::nn {
namespace {

tensor waves(const char* operation, long tokens, long width, double ratio) {
  if (width % 2 != 0) refuse(operation, "an even width", std::to_string(width));
  const tensor table = tensor::uninitialized({tokens, width});
  float* out = table.data<float>();
  for (long t = 0; t < tokens; ++t) {
    for (long k = 0; k < width / 2; ++k) {
      const double x = double(t) / std::pow(ratio, double(k));
      *out++ = float(std::sin(x));
      *out++ = float(std::cos(x));
    }
  }
  return table;
}

}  // namespace

tensor sinusoidal_positions(long tokens, long width, double base) {
  if (!(base > 0)) refuse("sinusoidal_positions", "a base above 0", std::to_string(base));
  return waves("sinusoidal_positions", tokens, width, std::pow(base, 2.0 / double(width)));
}

tensor fourier_positions(long tokens, long width, double base) {
  if (!(base > 0)) refuse("fourier_positions", "a base above 0", std::to_string(base));
  return waves("fourier_positions", tokens, width, base);
}

}  // namespace qkv::nn
