#include "qkv/ops/matmul.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

/// c[m][n] = sum_k a[m][k] b[k][n]
numbers product(const numbers& a, const numbers& b, long rows, long depth, long columns) {
  numbers c(std::size_t(rows * columns));
  for (long m = 0; m < rows; ++m)
    for (long k = 0; k < depth; ++k)
      for (long n = 0; n < columns; ++n)
        c[std::size_t(m * columns + n)] += a[std::size_t(m * depth + k)] * b[std::size_t(k * columns + n)];
  return c;
}

TEST(Matmul, MultipliesViewsOfAnyStrides) {
  on_every_instruction_set([] {
    for (const auto& [m, k, n] :
         {std::array{1l, 1l, 1l}, {3, 0, 2}, {0, 2, 3}, {5, 9, 33}, {2, 40, 50}, {40, 70, 35}}) {
      const tensor a = random_tensor({m, k}, 1), b = random_tensor({k, n}, 2);
      const numbers expected = product(doubles(a), doubles(b), m, k, n);
      for (const tensor& left : {a, turned(a), with_gaps(a)})
        for (const tensor& right : {b, turned(b), with_gaps(b)}) expect_close(matmul(left, right), expected, 1e-5);
    }
  });
}

TEST(Matmul, MultipliesEveryMatrixOfABatch) {
  const tensor a = random_tensor({2, 3, 4, 5}, 1), b = random_tensor({2, 3, 5, 6}, 2), c = matmul(a, b);
  ASSERT_EQ(c.shape(), (shape{2, 3, 4, 6}));
  for (long i = 0; i < 2; ++i)
    for (long j = 0; j < 3; ++j)
      expect_close(c.select(0, i).select(0, j),
                   product(doubles(a.select(0, i).select(0, j)), doubles(b.select(0, i).select(0, j)), 4, 5, 6), 1e-5);
}

TEST(Matmul, AddsWhenAsked) {
  const tensor a = random_tensor({20, 30}, 1), b = random_tensor({30, 40}, 2), c = tensor::full({20, 40}, 2);
  numbers expected = product(doubles(a), doubles(b), 20, 30, 40);
  for (double& e : expected) e += 2;
  matmul_into(c, a, b, writing::add);
  expect_close(c, expected, 1e-5);
}

TEST(MatmulBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    const tensor a = random_tensor({3, 4}, 1), b = random_tensor({4, 5}, 2), g = random_tensor({3, 5}, 3);
    const tensor da({3, 4}), db({4, 5});
    matmul_backward_into(da, db, g, a, b);
    expect_close(da,
                 numerical_gradient([&](const numbers& v) { return dot(product(v, doubles(b), 3, 4, 5), doubles(g)); },
                                    doubles(a)),
                 1e-5);
    expect_close(db,
                 numerical_gradient([&](const numbers& v) { return dot(product(doubles(a), v, 3, 4, 5), doubles(g)); },
                                    doubles(b)),
                 1e-5);
  });
}

TEST(Matmul, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor a = random_tensor({130, 600}, 1), b = random_tensor({600, 140}, 2);
  expect_same_bits_for_any_threads([&] { return std::vector{matmul(a, b)}; });
}

TEST(Matmul, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(refusal([] { matmul(tensor({2, 3}), tensor({4, 5})); }), "matmul: expected b [3, N]; found [4, 5]");
  EXPECT_EQ(refusal([] {
              matmul(tensor({7, 2, 3}), tensor({6, 3, 5}));
            }),
            "matmul: expected b [7, 3, N]; found [6, 3, 5]");
  EXPECT_EQ(refusal([] { matmul(tensor(shape{3}), tensor({3, 5})); }), "matmul: expected a [..., M, K]; found [3]");
}

TEST(Matmul, RefusesMemoryThatItStillReads) {
  const tensor s = random_tensor({4, 4}, 1), other = random_tensor({4, 4}, 2), both = random_tensor({4, 8}, 3);
  EXPECT_EQ(refusal([&] { matmul_into(s, s, other); }), "matmul: expected c in memory of its own; found memory of a");
  EXPECT_EQ(refusal([&] { matmul_into(s, other, s); }), "matmul: expected c in memory of its own; found memory of b");
  EXPECT_EQ(refusal([&] { matmul_into(both.slice(1, 0, 4), both.slice(1, 4, 8), s); }), "nothing was thrown");
  const tensor grad = random_tensor({4, 4}, 4);
  EXPECT_EQ(refusal([&] {
              matmul_backward_into(s, tensor({4, 4}), grad, s, other);
            }),
            "matmul: expected da in memory of its own; found memory of a");
}

}  // namespace
}  // namespace qkv
