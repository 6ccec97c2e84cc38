#include "qkv/ops/activate.h"

#include "qkv/ops/swiglu.h"
#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

double exactly(activation f, double x) {
  switch (f) {
    case activation::none:
      return x;
    case activation::gelu:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case activation::silu:
      return x / (1 + std::exp(-x));
    case activation::relu:
      return std::max(x, 0.0);
    case activation::tanh:
      return std::tanh(x);
    case activation::sigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return NAN;
}

const std::vector<activation> all = {activation::none, activation::gelu, activation::gelu_tanh, activation::silu,
                                     activation::relu, activation::tanh, activation::sigmoid};

TEST(Activate, IsAsCloseAsItSays) {
  on_every_instruction_set([] {
    for (const auto f : all) {
      const tensor x = tensor::uninitialized({40001});
      for (long i = 0; i < x.size(); ++i) x.at<float>(i) = float(double(i - 20000) / 1000);
      const tensor y = activate(x, f);
      for (long i = 0; i < x.size(); ++i) {
        const double at = x.at<float>(i), error = std::abs(y.at<float>(i) - exactly(f, at));
        ASSERT_LE(error, 4e-7 * std::max(1.0, std::abs(at))) << "activation " << int(f) << " at " << at;
      }
    }
  });
}

TEST(Activate, TakesOddLengthsAndStrides) {
  on_every_instruction_set([] {
    for (const shape& s : {shape{0}, shape{1}, shape{5, 7}, shape{3, 17}}) {
      const tensor x = random_tensor(s, 1);
      numbers expected = doubles(x);
      for (double& e : expected) e = exactly(activation::gelu, e);
      expect_close(gelu(x), expected, 1e-6);
      if (x.rank() > 1) expect_close(gelu(with_gaps(x)), expected, 1e-6);
      if (x.rank() > 1) expect_close(gelu(turned(x)), expected, 1e-6);
    }
  });
}

TEST(Activate, HasItsLimitsAtInfinityAndKeepsNan) {
  on_every_instruction_set([] {
    const float extremes[] = {-INFINITY, -1e30f, -200, 200, 1e30f, INFINITY};
    for (const auto f : all) {
      if (f == activation::none) continue;
      for (const float x : extremes) {
        const bool bounded = f == activation::tanh || f == activation::sigmoid;
        const float least = f == activation::tanh ? -1 : 0;
        const float expected = x < 0 ? least : bounded ? 1 : x, slope = x < 0 || bounded ? 0 : 1;
        const tensor at = tensor::full({1}, x);
        EXPECT_EQ(activate(at, f).at<float>(0), expected) << int(f) << " at " << x;
        EXPECT_EQ(activate_backward(tensor::full({1}, 1), at, f).at<float>(0), slope) << int(f) << " at " << x;
      }
      const tensor nan = tensor::full({1}, NAN);
      EXPECT_TRUE(std::isnan(activate(nan, f).at<float>(0))) << int(f);
      EXPECT_TRUE(std::isnan(activate_backward(tensor::full({1}, 1), nan, f).at<float>(0))) << int(f);
    }
  });
}

TEST(ActivateBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    for (const auto f : all) {
      const tensor x = random_tensor({3, 11}, 1, 2), g = random_tensor({3, 11}, 2), dx = tensor::full({3, 11}, 1);
      const auto value = [&](const numbers& v) {
        double s = 0;
        for (std::size_t i = 0; i < v.size(); ++i) s += doubles(g)[i] * exactly(f, v[i]);
        return s;
      };
      numbers expected = numerical_gradient(value, doubles(x));
      expect_close(activate_backward(g, x, f), expected, 2e-6);
      for (double& e : expected) e += 1;
      activate_backward_into(dx, g, x, f, writing::add);
      expect_close(dx, expected, 2e-6);
    }
  });
}

TEST(Swiglu, GatesSlicesOfOneProduct) {
  on_every_instruction_set([] {
    for (const long width : {1l, 7l, 40l}) {
      const tensor both = random_tensor({3, 2 * width}, 1);
      const tensor gate = both.slice(-1, 0, width), up = both.slice(-1, width, 2 * width);
      numbers expected = doubles(gate);
      for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] = exactly(activation::silu, expected[i]) * doubles(up)[i];
      expect_close(swiglu(gate, up), expected, 1e-6);
    }
  });
}

TEST(SwigluBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    const tensor gate = random_tensor({2, 9}, 1), up = random_tensor({2, 9}, 2), g = random_tensor({2, 9}, 3);
    const tensor both = tensor::full({2, 18}, 1), dgate = both.slice(-1, 0, 9), dup = both.slice(-1, 9, 18);
    const auto value = [&](const numbers& a, const numbers& b) {
      double s = 0;
      for (std::size_t i = 0; i < a.size(); ++i)
        s += doubles(g)[i] * exactly(activation::silu, a[i]) * b[i] + a[i] + b[i];
      return s;
    };
    swiglu_backward_into(dgate, dup, g, gate, up, writing::add);
    expect_close(dgate, numerical_gradient([&](const numbers& v) { return value(v, doubles(up)); }, doubles(gate)),
                 2e-6);
    expect_close(dup, numerical_gradient([&](const numbers& v) { return value(doubles(gate), v); }, doubles(up)), 2e-6);
  });
}

TEST(Activate, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor x = random_tensor({70, 1001}, 1);
  expect_same_bits_for_any_threads([&] { return std::vector{gelu(x), silu(x), swiglu(x, x)}; });
}

TEST(Activate, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(refusal([] {
              activate_into(tensor({2, 3}), tensor({3, 2}), activation::gelu);
            }),
            "activate: expected y [3, 2]; found [2, 3]");
  EXPECT_EQ(refusal([] { swiglu(tensor({2, 8}), tensor({2, 4})); }), "swiglu: expected up [2, 8]; found [2, 4]");
}

}  // namespace
}  // namespace qkv
