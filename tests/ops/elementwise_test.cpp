// add, multiply, scale; and what every elementwise op says of memory that overlaps
#include "qkv/ops/ops.h"
#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

const std::vector<shape> shapes = {{0}, {1}, {7}, {3, 0, 2}, {2, 3, 5}, {4, 16}, {3, 33}, {1, 40000}, {300, 70}};

numbers combined(const tensor& a, const tensor& b, double (*f)(double, double)) {
  numbers x = doubles(a);
  const numbers y = doubles(b);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = f(x[i], y[i % y.size()]);
  return x;
}
double plus(double a, double b) { return a + b; }
double times(double a, double b) { return a * b; }

TEST(Add, AddsElementByElement) {
  on_every_instruction_set([] {
    for (const shape& s : shapes) {
      const tensor a = random_tensor(s, 1), b = random_tensor(s, 2);
      const numbers expected = combined(a, b, plus);
      expect_close(add(a, b), expected, 1e-7);
      if (a.size() > 0) expect_close(add(with_gaps(a), with_gaps(b)), expected, 1e-7);
      add_into(a, a, b);
      expect_close(a, expected, 1e-7);
    }
  });
}

TEST(Add, RepeatsBOverTheLeadingAxes) {
  on_every_instruction_set([] {
    const tensor a = random_tensor({4, 5, 6}, 1);
    for (const shape& s : {shape{5, 6}, shape{6}, shape{}}) {
      const tensor b = random_tensor(s, 2);
      expect_close(add(a, b), combined(a, b, plus), 1e-7, to_string(s));
    }
  });
}

TEST(AddBackward, SumsOverTheAxesThatWereRepeated) {
  on_every_instruction_set([] {
    const tensor dy = random_tensor({40, 5, 6}, 1);
    for (const shape& s : {shape{40, 5, 6}, shape{5, 6}, shape{6}, shape{}}) {
      const tensor db = tensor::full(s, 1);
      numbers expected(std::size_t(db.size()), 1.0);
      const numbers d = doubles(dy);
      for (std::size_t i = 0; i < d.size(); ++i) expected[i % expected.size()] += d[i];
      add_backward_into(db, dy);
      expect_close(db, expected, 1e-5, to_string(s));
    }
  });
}

TEST(Add, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(refusal([] {
              add(tensor({2, 3}), tensor({3, 2}));
            }),
            "add: expected b [2, 3] or its last axes; found [3, 2]");
  EXPECT_EQ(refusal([] {
              add_into(tensor({2, 2}), tensor({2, 3}), tensor({2, 3}));
            }),
            "add: expected y [2, 3]; found [2, 2]");
}

TEST(Multiply, MultipliesElementByElement) {
  on_every_instruction_set([] {
    for (const shape& s : shapes) {
      const tensor a = random_tensor(s, 1), b = random_tensor(s, 2);
      expect_close(multiply(a, b), combined(a, b, times), 1e-7);
      if (a.rank() > 1 && a.size() > 0) expect_close(multiply(turned(a), with_gaps(b)), combined(a, b, times), 1e-7);
    }
  });
}

TEST(MultiplyBackward, MatchesCentralDifferences) {
  const tensor a = random_tensor({2, 9}, 1), b = random_tensor({2, 9}, 2), g = random_tensor({2, 9}, 3);
  const tensor da = tensor::full({2, 9}, 1), db = tensor::full({2, 9}, 1);
  multiply_backward_into(da, db, g, a, b, writing::add);
  const auto f = [&](const numbers& x, const numbers& y) {
    double s = 0;
    for (std::size_t i = 0; i < x.size(); ++i) s += x[i] + y[i] + x[i] * y[i] * doubles(g)[i];
    return s;
  };
  expect_close(da, numerical_gradient([&](const numbers& v) { return f(v, doubles(b)); }, doubles(a)), 1e-5);
  expect_close(db, numerical_gradient([&](const numbers& v) { return f(doubles(a), v); }, doubles(b)), 1e-5);
}

TEST(Multiply, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(refusal([] { multiply(tensor({2, 3}), tensor({3, 2})); }), "multiply: expected b [2, 3]; found [3, 2]");
}

TEST(Scale, MultipliesByANumber) {
  on_every_instruction_set([] {
    for (const shape& s : shapes) {
      const tensor x = random_tensor(s, 1), y = tensor::full(s, 1);
      scale_into(y, x, -2.5f, writing::add);
      numbers expected = doubles(x);
      for (double& e : expected) e = 1 - 2.5 * e;
      expect_close(y, expected, 1e-6);
    }
    EXPECT_TRUE(std::isnan(scaled(tensor::full({3}, NAN), 0).at<float>(1)));
    EXPECT_TRUE(std::isnan(scaled(tensor::full({3}, INFINITY), 0).at<float>(1)));
  });
  EXPECT_EQ(refusal([] { scale_into(tensor(shape{2}), tensor(shape{3}), 1); }), "scale: expected y [3]; found [2]");
}

TEST(Elementwise, WorksInPlaceButNotAcross) {
  const tensor memory = random_tensor({5, 40}, 1), x = memory.slice(0, 0, 4), across = memory.slice(0, 1, 5);
  const tensor sum = add(x, x);
  add_into(x, x, x);
  EXPECT_TRUE(same_bits(x, sum));
  EXPECT_EQ(refusal([&] { add_into(across, x, x); }), "add: expected y in memory of its own; found memory of a");
  EXPECT_EQ(refusal([&] { multiply_into(across, across, x); }),
            "multiply: expected y in memory of its own; found memory of b");
  EXPECT_EQ(refusal([&] { scale_into(across, x, 2); }), "scale: expected y in memory of its own; found memory of x");
  EXPECT_THAT(refusal([&] { softmax_rows_into(across, x); }), testing::HasSubstr("y in memory of its own"));
  EXPECT_THAT(refusal([&] { activate_into(across, x, activation::gelu); }),
              testing::HasSubstr("y in memory of its own"));
  EXPECT_THAT(refusal([&] { swiglu_into(across, x, x); }), testing::HasSubstr("y in memory of its own"));
  EXPECT_THAT(refusal([&] { dropout_into(across, x, 0.5, {}); }), testing::HasSubstr("y in memory of its own"));
  EXPECT_THAT(refusal([&] { rms_norm_into(across, x, {}); }), testing::HasSubstr("y in memory of its own"));
  EXPECT_THAT(refusal([&] { add_rms_norm_into(sum, sum, x, x, {}); }), testing::HasSubstr("y in memory of its own"));
}

TEST(Elementwise, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor a = random_tensor({70, 1000}, 1), b = random_tensor({1000}, 2);
  expect_same_bits_for_any_threads([&] {
    const tensor db(shape{1000});
    add_backward_into(db, a);
    return std::vector{add(a, b), multiply(a, a), scaled(a, 3), db};
  });
}

}  // namespace
}  // namespace qkv
