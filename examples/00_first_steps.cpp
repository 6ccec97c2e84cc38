// First steps: attention, attention with ready-made parts, attention with parts of your own, its gradients, and other
// similarities and weightings.
#include <cstdio>

#include "qkv/attention/attention.h"
#include "qkv/base/random.h"

using namespace qkv;

int main() {
  const shape sizes{2, 1000, 4, 64};  // 2 sequences, 1000 tokens, 4 heads, 64 channels
  tensor q(sizes), k(sizes), v(sizes);
  std::uint64_t stream = 0;
  for (tensor t : {q, k, v}) {  // a tensor is a handle: this fills q, k and v
    const random_stream random{1, stream++};
    for (std::uint64_t i = 0; float& x : t.values<float>()) x = float(random.normal(i++));
  }

  // softmax(q k' / sqrt(D)) v, and the same with ready-made parts, in any order.
  const tensor plain = attention(q, k, v);
  const tensor sparse = attention(q, k, v, causal & sliding_window(256), softcap(30));

  // Parts of your own are lambdas.  This score has a slope for every head, and the slopes learn.
  const tensor slopes({4}, {0.1, 0.2, 0.4, 0.8});
  const auto run = attention_forward(
      q, k, v, mask([](auto at) { return at.query >= at.key && (at.query - at.key < 64 || at.key % 16 == 0); }),
      score([](auto s, auto at, auto slope) { return s - slope[at.head] * log(1.0 + abs(at.query - at.key)); },
            slopes));
  const auto gradients = run.backward(v);  // of the sum of run.out * v
  std::printf("%.4f  %.4f  %.4f\n", double(plain.at<float>(1, 999, 3, 0)), double(sparse.at<float>(1, 999, 3, 0)),
              double(run.out.at<float>(1, 999, 3, 0)));
  std::printf("gradient of the last head's slope: %.2f\n", double(gradients[slopes].at<float>(3)));

  // Another similarity and another weighting: cosines, and a projection that leaves most weights exactly 0.
  const tensor chosen = attention(q, k, v, cosine, scale(20), sparsemax);
  // A weighting of your own, an activation that is to sum to 1 in every row.
  const tensor softened = attention(q, k, v, weighting{[](auto x) { return log(1 + exp(x)); }, normalised::yes});
  std::printf("%.4f  %.4f\n", double(chosen.at<float>(1, 999, 3, 0)), double(softened.at<float>(1, 999, 3, 0)));
}
