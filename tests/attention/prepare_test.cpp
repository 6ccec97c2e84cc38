// Queries and keys as a similarity compares them: distances far from the origin, keys that lie apart from all others,
// lengths of any size.
#include "qkv/attention/attention.h"
#include "qkv/attention/oracle.h"
#include "tests/attention/tensors.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

class Prepare : public EverySet {
 protected:
  tensor q = normal({1, 60, 2, 24}, 1, dtype::float32), k = normal({1, 300, 1, 24}, 2, dtype::float32),
         v = normal({1, 300, 1, 40}, 3, dtype::float32), dout = normal({1, 60, 2, 40}, 4, dtype::float32);

  template <class... Parts>
  void expect_same(double tolerance, const Parts&... parts) const {
    const auto fused = attention_forward(q, k, v, parts...);
    const auto exact = oracle::attention_forward(q, k, v, parts...);
    EXPECT_LT(difference(fused.out, exact.out), tolerance);
    const auto g = fused.backward(dout), e = exact.backward(dout);
    EXPECT_LT(difference(g.dq, e.dq), 5 * tolerance);
    EXPECT_LT(difference(g.dk, e.dk), 5 * tolerance);
    EXPECT_LT(difference(g.dv, e.dv), 5 * tolerance);
  }
};

TEST_P(Prepare, DistancesFarFromTheOriginAreAccurate) {
  for (float& x : q.values<float>()) x += 1000;
  for (float& x : k.values<float>()) x += 1000;
  // |q|^2 is 2.4e7 here, where float32 is spaced by 2; without a common centre nothing would be left of |q - k|^2.
  expect_same(1e-5, negative_squared_distance, scale(0.1));
  expect_same(1e-5, negative_squared_distance, scale(0.1), causal, softcap(20));
  expect_same(1e-5, negative_squared_distance, scale(0.1), sparsemax);
}

TEST_P(Prepare, KeysFarFromTheOthersDoNotSpoilDistances) {
  for (long j = 7; j < 300; j += 50)
    for (long c = 0; c < 24; ++c) k.at<float>(0, j, 0, c) += 1e4f;
  k.at<float>(0, 0, 0, 3) = 1e6f;
  expect_same(1e-5, negative_squared_distance, scale(0.1));
}

TEST_P(Prepare, KeysBeyondTheSquareRootOfFloatAreJustFarAway) {
  for (long c = 0; c < 24; ++c) k.at<float>(0, 123, 0, c) = 1e25f;  // its square does not fit
  const auto run = attention_forward(q, k, v, negative_squared_distance, scale(0.1));
  const auto without =
      attention_forward(q, k, v, negative_squared_distance, scale(0.1), [](auto at) { return at.key != 123; });
  EXPECT_LT(difference(run.out, without.out), 1e-6);
  EXPECT_LT(difference(run.backward(dout).dq, without.backward(dout).dq), 1e-5);
}

TEST_P(Prepare, CosineDoesNotSeeLengths) {
  const auto given = attention_forward(q, k, v, cosine, scale(5));
  for (double size : {1e-12, 1e-3, 1e12, 1e18}) {
    const tensor longer = normal({1, 300, 1, 24}, 2, dtype::float32, size);
    EXPECT_LT(difference(attention(q, longer, v, cosine, scale(5)), given.out), 1e-5) << size;
  }
  expect_same(1e-5, cosine, scale(5));
}

TEST_P(Prepare, AVectorOfZerosIsLikeNoOther) {
  const tensor none(q.shape());
  const auto run = attention_forward(none, k, v, cosine);
  EXPECT_LT(difference(run.out, attention(q, k, v, uniform)), 1e-6);
  EXPECT_EQ(difference(run.backward(dout).dq, none), 0);
}

TEST_P(Prepare, AMatrixIsAProjectionOfTheQueries) {
  tensor matrix = normal({24, 24}, 6, dtype::float32, 0.2), identity({24, 24});
  for (long c = 0; c < 24; ++c) identity.at<float>(c, c) = 1;
  EXPECT_LT(difference(attention(q, k, v, bilinear(identity)), attention(q, k, v, scale(1))), 1e-5);
  const tensor projected(q.shape());
  for (long t = 0; t < 60; ++t)
    for (long h = 0; h < 2; ++h)
      for (long c = 0; c < 24; ++c) {
        double sum = 0;
        for (long d = 0; d < 24; ++d) sum += q.item({0, t, h, d}) * matrix.item({d, c});
        projected.at<float>(0, t, h, c) = float(sum);
      }
  EXPECT_LT(difference(attention(q, k, v, bilinear(matrix)), attention(projected, k, v, scale(1))), 1e-5);
}

QKV_ON_EVERY_SET(Prepare);

}  // namespace
}  // namespace qkv
