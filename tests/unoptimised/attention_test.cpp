// The user's side of the engine, compiled without optimisation (see ../CMakeLists.txt): nothing is inlined here, and
// the numbers that a lambda runs on are passed in real calls.
#include "qkv/attention/attention.h"
#include "qkv/attention/oracle.h"
#include "tests/attention/tensors.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

struct Unoptimised : EverySet {
  tensor q = normal({2, 37, 4, 16}, 1, dtype::float32), k = normal({2, 53, 2, 16}, 2, dtype::float32),
         v = normal({2, 53, 2, 24}, 3, dtype::float32), dout = normal({2, 37, 4, 24}, 4, dtype::float32);

  /// Compares output and gradients with the oracle's.
  void compare(const auto&... parts) const {
    const auto fused = attention_forward(q, k, v, parts...);
    const auto exact = oracle::attention_forward(q, k, v, parts...);
    EXPECT_LT(difference(fused.out, exact.out), 1e-5);
    const auto one = fused.backward(dout), other = exact.backward(dout);
    EXPECT_LT(difference(one.dq, other.dq), 1e-4);
    EXPECT_LT(difference(one.dk, other.dk), 1e-4);
    EXPECT_LT(difference(one.dv, other.dv), 1e-4);
    for (std::size_t n = 0; n < one.learned.size(); ++n)
      EXPECT_LT(difference(one.learned[n].second, other.learned[n].second), 1e-3);
  }
};
QKV_ON_EVERY_SET(Unoptimised);

TEST_P(Unoptimised, MasksKeepTheirLinks) {
  compare(causal & sliding_window(9));
  compare([](auto at) { return at.query >= at.key && (at.query - at.key) % 3 != 1; });
  compare(same_document(table({2, 53}, std::vector<std::int64_t>(106, 4))) & !prefix(5));
}

TEST_P(Unoptimised, ScoresKeepTheirValuesAndGradients) {
  compare(softcap(3));
  compare([](auto s, auto at) { return s - 0.25 * abs(at.query - at.key); });
  compare(causal, relative_bias(normal({4, 32}, 5, dtype::float32)));
  compare(score([](auto s, auto at, auto slope) { return s - exp(slope[at.head]) * real(at.query - at.key); },
                normal({4}, 6, dtype::float32)));
}

TEST_P(Unoptimised, SimilaritiesAndWeightingsKeepTheirValues) {
  compare(additive(normal({16}, 7, dtype::float32)));
  compare(sigmoid_weights(-1));
  compare(entmax15);
}

}  // namespace
}  // namespace qkv
