#include "qkv/nn/initialisation.h"

#include "qkv/base/random.h"

namespace qkv::nn {

tensor initialisation::normal(shape s, double spread) {
  const random_stream random{seed_, next_stream()};
  const tensor weights = tensor::uninitialized(std::move(s));
  std::uint64_t index = 0;
  for (float& w : weights.values<float>()) w = float(spread * random.normal(index++));
  return weights;
}

}  // namespace qkv::nn
