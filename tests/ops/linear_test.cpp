#include "qkv/ops/linear.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

double gelu_of(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double gelu_derivative(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
}

/// y[n][o] = sum_i x[n][i] w[o][i]
numbers product(const numbers& x, const numbers& w, long rows, long inputs, long outputs) {
  numbers y(std::size_t(rows * outputs));
  for (long n = 0; n < rows; ++n)
    for (long o = 0; o < outputs; ++o)
      for (long i = 0; i < inputs; ++i)
        y[std::size_t(n * outputs + o)] += x[std::size_t(n * inputs + i)] * w[std::size_t(o * inputs + i)];
  return y;
}

struct sizes {
  long rows, inputs, outputs;
};
const std::vector<sizes> all_sizes = {{0, 3, 5},    {4, 3, 0},     {3, 0, 4},   {1, 1, 1},     {1, 7, 33},
                                      {2, 65, 9},   {5, 17, 31},   {9, 16, 32}, {13, 24, 12},  {31, 5, 7},
                                      {37, 67, 65}, {100, 33, 97}, {8, 300, 5}, {50, 700, 40}, {200, 9, 130}};

std::string name(const sizes& s) {
  return std::to_string(s.rows) + "x" + std::to_string(s.inputs) + "x" + std::to_string(s.outputs);
}

TEST(Linear, IsTheProductWithTheTransposedWeight) {
  on_every_instruction_set([] {
    for (const auto& s : all_sizes) {
      const tensor x = random_tensor({s.rows, s.inputs}, 1), w = random_tensor({s.outputs, s.inputs}, 2);
      const numbers expected = product(doubles(x), doubles(w), s.rows, s.inputs, s.outputs);
      expect_close(linear(x, w), expected, 5e-5, name(s));
      expect_close(linear(x, packed_weight(w)), expected, 5e-5, name(s) + " packed");
    }
  });
}

TEST(Linear, ReadsAnyStridesAndLeavesGapsAlone) {
  on_every_instruction_set([] {
    for (const long rows : {3l, 40l}) {
      const tensor x = random_tensor({rows, 50}, 1), w = random_tensor({37, 50}, 2);
      const numbers expected = product(doubles(x), doubles(w), rows, 50, 37);
      const tensor y = with_gaps(tensor({rows, 37}));
      for (const tensor& a : {with_gaps(x), turned(x)})
        for (const tensor& b : {with_gaps(w), turned(w)}) {
          linear_into(y, a, b);
          expect_close(y, expected, 1e-5);
        }
    }
  });
}

TEST(Linear, FlattensLeadingAxes) {
  const tensor x = random_tensor({2, 3, 5, 8}, 1), w = random_tensor({4, 8}, 2);
  EXPECT_EQ(linear(x, w).shape(), (shape{2, 3, 5, 4}));
  const tensor moved = x.transpose(0, 2);  // leading axes that do not fall into one
  expect_close(linear(moved, w), product(doubles(moved), doubles(w), 30, 8, 4), 1e-5);
}

TEST(Linear, AppliesBiasActivationAndResidualInThatOrder) {
  on_every_instruction_set([] {
    for (const auto& s : all_sizes) {
      const tensor x = random_tensor({s.rows, s.inputs}, 1), w = random_tensor({s.outputs, s.inputs}, 2, 0.3);
      const tensor bias = random_tensor({s.outputs}, 3), residual = random_tensor({s.rows, s.outputs}, 4);
      const tensor before = tensor::full({s.rows, s.outputs}, NAN);
      numbers sums = product(doubles(x), doubles(w), s.rows, s.inputs, s.outputs), expected = sums;
      for (long i = 0; i < s.rows * s.outputs; ++i) {
        sums[std::size_t(i)] += bias.at<float>(i % s.outputs);
        expected[std::size_t(i)] = gelu_of(sums[std::size_t(i)]) + doubles(residual)[std::size_t(i)];
      }
      const linear_epilogue epilogue{bias, activation::gelu, before, residual};
      expect_close(linear(x, w, epilogue), expected, 5e-5, name(s));
      expect_close(before, sums, 5e-5, name(s) + " before");
      expect_close(linear(x, packed_weight(w), epilogue), expected, 5e-5, name(s) + " packed");
    }
  });
}

TEST(Linear, MayWriteOverItsResidual) {
  on_every_instruction_set([] {
    for (const auto f : {activation::none, activation::silu}) {
      const tensor x = random_tensor({60, 500}, 1), w = random_tensor({70, 500}, 2, 0.1);
      const tensor y = random_tensor({60, 70}, 3);
      const numbers expected = doubles(linear(x, w, {.activate = f, .residual = y.clone()}));
      linear_into(y, x, w, {.activate = f, .residual = y});
      expect_close(y, expected, 1e-5);
    }
  });
}

TEST(LinearBackward, GivesTheGradientsOfTheOracle) {
  on_every_instruction_set([] {
    for (const auto& s : all_sizes) {
      const tensor x = random_tensor({s.rows, s.inputs}, 1), w = random_tensor({s.outputs, s.inputs}, 2);
      const tensor dy = random_tensor({s.rows, s.outputs}, 3);
      const numbers nx = doubles(x), nw = doubles(w), ny = doubles(dy);
      numbers dx(nx.size()), dw(nw.size(), 1.0), db(std::size_t(s.outputs), 1.0);
      for (long n = 0; n < s.rows; ++n)
        for (long o = 0; o < s.outputs; ++o) {
          const double d = ny[std::size_t(n * s.outputs + o)];
          db[std::size_t(o)] += d;
          for (long i = 0; i < s.inputs; ++i) {
            dx[std::size_t(n * s.inputs + i)] += d * nw[std::size_t(o * s.inputs + i)];
            dw[std::size_t(o * s.inputs + i)] += d * nx[std::size_t(n * s.inputs + i)];
          }
        }
      expect_close(linear_backward_input(dy, w), dx, 5e-5, name(s));
      const tensor dweight = tensor::full({s.outputs, s.inputs}, 1), dbias = tensor::full({s.outputs}, 1);
      linear_backward_weight(dweight, dy, x);
      linear_backward_bias(dbias, dy);
      expect_close(dweight, dw, 5e-5, name(s));
      expect_close(dbias, db, 5e-5, name(s));
      linear_backward_weight(dweight, dy, x, writing::replace);
      for (double& d : dw) d -= 1;
      expect_close(dweight, dw, 5e-5, name(s));
    }
  });
}

TEST(LinearBackward, MatchesCentralDifferences) {
  const tensor x = random_tensor({3, 4}, 1), w = random_tensor({5, 4}, 2), g = random_tensor({3, 5}, 3);
  const numbers dx = numerical_gradient(
      [&](const numbers& v) { return dot(product(v, doubles(w), 3, 4, 5), doubles(g)); }, doubles(x));
  const numbers dw = numerical_gradient(
      [&](const numbers& v) { return dot(product(doubles(x), v, 3, 4, 5), doubles(g)); }, doubles(w));
  expect_close(linear_backward_input(g, w), dx, 1e-5);
  const tensor dweight({5, 4});
  linear_backward_weight(dweight, g, x);
  expect_close(dweight, dw, 1e-5);
}

TEST(LinearBackward, GoesThroughTheActivationThatMadeItsInput) {
  on_every_instruction_set([] {
    for (const bool add : {false, true}) {
      const tensor dy = random_tensor({45, 300}, 1), w = random_tensor({300, 70}, 2, 0.1),
                   before = random_tensor({45, 70}, 3);
      const tensor dx = random_tensor({45, 70}, 4);
      numbers expected = doubles(linear_backward_input(dy, w)), old = doubles(dx);
      for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] = expected[i] * gelu_derivative(doubles(before)[i]) + (add ? old[i] : 0);
      linear_backward_input_into(dx, dy, w, {activation::gelu, before, add ? writing::add : writing::replace});
      expect_close(dx, expected, 1e-5);
    }
  });
}

TEST(LinearBackward, AddsToWhatIsThereWhenAsked) {
  const tensor dy = random_tensor({20, 30}, 1), w = random_tensor({30, 40}, 2), dx = tensor::full({20, 40}, 3);
  numbers expected = doubles(linear_backward_input(dy, w));
  for (double& e : expected) e += 3;
  linear_backward_input_into(dx, dy, w, {.write = writing::add});
  expect_close(dx, expected, 1e-5);
}

TEST(Linear, HasTheSameBitsForAnyNumberOfThreads) {
  for (const long rows : {1l, 2l, 150l}) {
    const tensor x = random_tensor({rows, 333}, 1), w = random_tensor({450, 333}, 2),
                 dy = random_tensor({rows, 450}, 3);
    expect_same_bits_for_any_threads([&] {
      const tensor dweight({450, 333}), dbias(shape{450});
      linear_backward_weight(dweight, dy, x);
      linear_backward_bias(dbias, dy);
      return std::vector{linear(x, w, {.activate = activation::gelu}), linear_backward_input(dy, w), dweight, dbias};
    });
  }
}

TEST(Linear, LetsNanAndInfinityThrough) {
  on_every_instruction_set([] {
    const tensor x = tensor::full({20, 40}, 1), w = tensor::full({36, 40}, 1);
    x.at<float>(3, 5) = NAN;
    x.at<float>(4, 5) = INFINITY;
    const tensor y = linear(x, w);
    EXPECT_TRUE(std::isnan(y.at<float>(3, 0)));
    EXPECT_EQ(y.at<float>(4, 35), INFINITY);
    EXPECT_EQ(y.at<float>(5, 35), 40);
  });
}

TEST(Linear, RefusesShapesThatDoNotFit) {
  const tensor w({16, 128}), x({2, 128});
  EXPECT_EQ(refusal([&] { linear(tensor({2, 64}), w); }), "linear: expected x [..., 128]; found [2, 64]");
  EXPECT_EQ(refusal([&] { linear(x, tensor({16})); }), "linear: expected weight [O, I]; found [16]");
  EXPECT_EQ(refusal([&] { linear(x, w, {.bias = tensor({15})}); }), "linear: expected bias [16]; found [15]");
  EXPECT_EQ(refusal([&] { linear_into(tensor({2, 15}), x, w); }), "linear: expected y [2, 16]; found [2, 15]");
  EXPECT_EQ(refusal([&] {
              linear_backward_input(tensor({2, 15}), w);
            }),
            "linear: expected dy [..., 16]; found [2, 15]");
  EXPECT_EQ(refusal([&] {
              linear_backward_weight(w, tensor({2, 16}), tensor({3, 128}));
            }),
            "linear: expected x [2, 128]; found [3, 128]");
}

TEST(Linear, RefusesMemoryThatItStillReads) {
  const tensor w = random_tensor({4, 4}, 1), x = random_tensor({4, 4}, 2), y({4, 4});
  EXPECT_EQ(refusal([&] { linear_into(x, x, w); }), "linear: expected y in memory of its own; found memory of x");
  EXPECT_EQ(refusal([&] { linear_into(w, x, w); }), "linear: expected y in memory of its own; found memory of weight");
  EXPECT_EQ(refusal([&] { linear_into(x, x, packed_weight(w)); }),
            "linear: expected y in memory of its own; found memory of x");
  EXPECT_EQ(refusal([&] { linear_into(y, x, w, {.before = y}); }),
            "linear: expected y in memory of its own; found memory of before");
  EXPECT_EQ(refusal([&] { linear_into(y, x, w, {.residual = y}); }), "nothing was thrown");
  EXPECT_EQ(refusal([&] { linear_backward_input_into(x, x, w); }),
            "linear: expected dx in memory of its own; found memory of dy");
  EXPECT_EQ(refusal([&] { linear_backward_weight(w, w, x); }),
            "linear: expected dweight in memory of its own; found memory of dy");
}

TEST(PackedWeight, BelongsToItsInstructionSet) {
  if (widest_instruction_set() == instruction_set::portable) GTEST_SKIP() << "only one instruction set here";
  const auto before = active_instruction_set();
  use_instruction_set(instruction_set::portable);
  const packed_weight packed(tensor({3, 4}));
  use_instruction_set(widest_instruction_set());
  EXPECT_THROW(linear(tensor({2, 4}), packed), unsupported_error);
  use_instruction_set(before);
}

}  // namespace
}  // namespace qkv
