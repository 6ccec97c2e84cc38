// muon: its steps against plain loops in double precision, and what the iteration promises.
#include "qkv/ops/muon.h"

#include <array>

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

/// A matrix in double precision.
struct matrix {
  std::size_t rows, columns;
  numbers at;
  double& operator()(std::size_t i, std::size_t j) { return at[i * columns + j]; }
  double operator()(std::size_t i, std::size_t j) const { return at[i * columns + j]; }
};

matrix product(const matrix& a, const matrix& b) {
  matrix c{a.rows, b.columns, numbers(a.rows * b.columns)};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t k = 0; k < a.columns; ++k)
      for (std::size_t j = 0; j < b.columns; ++j) c(i, j) += a(i, k) * b(k, j);
  return c;
}

matrix transposed(const matrix& a) {
  matrix t{a.columns, a.rows, numbers(a.at.size())};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.columns; ++j) t(j, i) = a(i, j);
  return t;
}

/// The iteration as Jordan et al. write it, whichever side is longer.
matrix orthogonal(matrix x) {
  double squares = 0;
  for (const double v : x.at) squares += v * v;
  for (double& v : x.at) v /= std::sqrt(squares) + 1e-7;
  for (int round = 0; round < 5; ++round) {
    const matrix a = product(x, transposed(x)), once = product(a, x), twice = product(a, once);
    for (std::size_t i = 0; i < x.at.size(); ++i)
      x.at[i] = 3.4445 * x.at[i] - 4.7750 * once.at[i] + 2.0315 * twice.at[i];
  }
  return x;
}

matrix matrix_of_tensor(const tensor& t) { return {std::size_t(t.dim(0)), std::size_t(t.dim(1)), doubles(t)}; }

TEST(Muon, FollowsItsFormulaStepByStep) {
  on_every_instruction_set([] {
    for (const shape& s : {shape{1, 1}, shape{5, 7}, shape{24, 9}, shape{33, 33}}) {
      muon_parameter p{random_tensor(s, 1), tensor(s), tensor(s), 0.1};
      matrix value = matrix_of_tensor(p.value), momentum{value.rows, value.columns, numbers(value.at.size())};
      const muon_options options{.learning_rate = 0.02, .momentum = 0.9, .gradient_scale = 0.5};
      for (std::uint64_t step = 1; step <= 6; ++step) {
        p.gradient = random_tensor(s, step + 10);
        muon_step(std::array{p}, options);
        matrix ahead = matrix_of_tensor(p.gradient);
        for (std::size_t i = 0; i < ahead.at.size(); ++i) {
          momentum.at[i] = 0.9 * momentum.at[i] + 0.5 * ahead.at[i];
          ahead.at[i] = 0.5 * ahead.at[i] + 0.9 * momentum.at[i];
        }
        const matrix along = orthogonal(ahead);
        const double length = 0.2 * std::sqrt(double(std::max(value.rows, value.columns)));
        for (std::size_t i = 0; i < value.at.size(); ++i)
          value.at[i] = (1 - 0.02 * 0.1) * value.at[i] - 0.02 * length * along.at[i];
      }
      expect_close(p.value, value.at, 1e-4);
      expect_close(p.momentum, momentum.at, 1e-6);
    }
  });
}

TEST(Muon, BringsSingularValuesNearToOne) {
  // Columns at right angles, of lengths from 1 to 0.1: the singular values are these lengths.
  tensor m({8, 4});
  for (long j = 0; j < 4; ++j) m.at<float>(2 * j, j) = 1 - 0.3f * float(j);
  const tensor o = orthogonalised(m);
  for (long j = 0; j < 4; ++j) {
    EXPECT_GT(o.at<float>(2 * j, j), 0.6);
    EXPECT_LT(o.at<float>(2 * j, j), 1.3);
  }
}

TEST(Muon, LeavesZerosZero) {
  const tensor still_zero = orthogonalised(tensor({3, 5}));
  for (const float x : still_zero.values<float>()) EXPECT_EQ(x, 0);
  EXPECT_EQ(orthogonalised(tensor({0, 5})).shape(), (shape{0, 5}));
}

TEST(Muon, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor start = random_tensor({70, 300}, 1), gradient = random_tensor({70, 300}, 2);
  expect_same_bits_for_any_threads([&] {
    const muon_parameter p{start.clone(), gradient, tensor(shape{70, 300}), 0.1};
    muon_step(std::array{p}, {});
    return std::vector{p.value, p.momentum};
  });
}

TEST(Muon, RefusesShapesThatDoNotFit) {
  const muon_parameter p{tensor({3, 4}), tensor({4, 3}), tensor({3, 4})};
  EXPECT_EQ(refusal([&] { muon_step(std::array{p}, {}); }), "muon: expected gradient [3, 4]; found [4, 3]");
  EXPECT_EQ(refusal([] { orthogonalised(tensor({3})); }), "muon: expected a matrix [R, C]; found [3]");
}

}  // namespace
}  // namespace qkv
