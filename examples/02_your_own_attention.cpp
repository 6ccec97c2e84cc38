// A new attention in two lambdas, fused and differentiable, with a parameter that learns.
//
// The score is lowered by the logarithm of the distance, by a slope that each head learns; a link exists where the key
// is not after the query and lies on an even place or nearby. No block mask, no derivative and no kernel is written.
#include <cstdio>

#include "qkv/attention/attention.h"
#include "qkv/base/random.h"

using namespace qkv;

static tensor noise(shape s, std::uint64_t stream) {
  tensor t(std::move(s));
  const random_stream random{1, stream};
  for (long i = 0; float& x : t.values<float>()) x = float(random.normal(i++));
  return t;
}

int main() {
  const long tokens = 4096, heads = 4, width = 64;
  const tensor q = noise({1, tokens, heads, width}, 1), k = noise({1, tokens, heads, width}, 2), v = noise({1, tokens, heads, width}, 3);
  const tensor slopes({heads}, {0.1, 0.2, 0.4, 0.8});

  const auto near_or_even = mask([](auto at) { return at.query - at.key < 64 || at.key % 2 == 0; });
  const auto log_distance = score(
      [](auto s, auto at, auto slope) { return s - slope[at.head] * log(1.0 + abs(at.query - at.key)); }, slopes);

  const auto run = attention_forward(q, k, v, causal & near_or_even, log_distance);
  const auto gradients = run.backward(noise(run.out.shape(), 4));

  std::printf("out[0, 4095, 0, :3] = %.4f %.4f %.4f\n", run.out.at<float>(0, 4095, 0, 0), run.out.at<float>(0, 4095, 0, 1),
              run.out.at<float>(0, 4095, 0, 2));
  for (long h = 0; h < heads; ++h)
    std::printf("head %ld: slope %.1f, its gradient %+.1f\n", h, slopes.at<float>(h), gradients[slopes].at<float>(h));
}
