#include "qkv/nn/initialisation.h"

#include <algorithm>

#include "qkv/base/random.h"
#include "qkv/base/threads.h"

namespace qkv::nn {

tensor initialisation::normal(shape s, double spread) {
  const random_stream random{seed_, next_stream()};
  if (zeros_) return tensor(std::move(s));
  const tensor weights = tensor::uninitialized(std::move(s));
  const auto numbers = weights.values<float>();
  constexpr long piece = 4096;
  parallel_for((long(numbers.size()) + piece - 1) / piece, [&](long number, int) {
    const long end = std::min(long(numbers.size()), (number + 1) * piece);
    for (long i = number * piece; i < end; ++i) {
      numbers[std::size_t(i)] = float(spread * random.normal(std::uint64_t(i)));
    }
  });
  return weights;
}

}  // namespace qkv::nn
