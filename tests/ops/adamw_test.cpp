// adamw, squared_norm
#include "qkv/ops/adamw.h"

#include <array>

#include "qkv/ops/squared_norm.h"
#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

/// Algorithm 2 of Loshchilov & Hutter, in double.
struct state {
  numbers p, m, v;
  void step(const numbers& gradient, const adamw_options& o, double decay) {
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double g = o.gradient_scale * gradient[i];
      p[i] -= o.learning_rate * decay * p[i];
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
      const double first = m[i] / (1 - std::pow(o.beta1, double(o.step)));
      const double second = v[i] / (1 - std::pow(o.beta2, double(o.step)));
      p[i] -= o.learning_rate * first / (std::sqrt(second) + o.epsilon);
    }
  }
};

TEST(Adamw, FollowsTheAlgorithmStepByStep) {
  on_every_instruction_set([] {
    for (const long size : {0l, 1l, 13l, 20000l}) {
      adamw_parameter p{random_tensor({size}, 1), tensor({size}), tensor(shape{size}), tensor(shape{size}), 0.1};
      state expected{doubles(p.value), numbers(std::size_t(size)), numbers(std::size_t(size))};
      for (long step = 1; step <= 20; ++step) {
        p.gradient = random_tensor({size}, std::uint64_t(step) + 10);
        const adamw_options options{.learning_rate = 0.01, .beta2 = 0.99, .gradient_scale = 0.5, .step = step};
        adamw_step(std::array{p}, options);
        expected.step(doubles(p.gradient), options, 0.1);
      }
      expect_close(p.value, expected.p, 2e-6);
      expect_close(p.first_moment, expected.m, 1e-6);
      expect_close(p.second_moment, expected.v, 1e-6);
    }
  });
}

TEST(Adamw, IsAdamWhereThePenaltyIsInTheGradient) {
  // Algorithm 1 of Kingma & Ba, of a loss with half the penalty times the squared weights added to it.
  on_every_instruction_set([] {
    const long size = 1003;
    adamw_parameter p{.value = random_tensor({size}, 1),
                      .gradient = {},
                      .first_moment = tensor(shape{size}),
                      .second_moment = tensor(shape{size}),
                      .penalty = 0.3};
    state expected{doubles(p.value), numbers(std::size_t(size)), numbers(std::size_t(size))};
    for (long step = 1; step <= 20; ++step) {
      p.gradient = random_tensor({size}, std::uint64_t(step) + 10);
      const adamw_options options{.learning_rate = 0.01, .gradient_scale = 0.5, .step = step};
      adamw_step(std::array{p}, options);
      numbers gradient = doubles(p.gradient);
      for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = 0.5 * gradient[i] + 0.3 * expected.p[i];
      expected.step(gradient, {.learning_rate = 0.01, .step = step}, 0);
    }
    expect_close(p.value, expected.p, 4e-6);
    expect_close(p.second_moment, expected.v, 1e-6);
  });
}

TEST(Adamw, StepsManyParametersAtOnceWithDecaysOfTheirOwn) {
  std::vector<adamw_parameter> all;
  std::vector<state> expected;
  for (const double decay : {0.0, 0.5}) {
    all.push_back({random_tensor({3, 5}, 1), random_tensor({3, 5}, 2), tensor({3, 5}), tensor({3, 5}), decay});
    expected.push_back({doubles(all.back().value), numbers(15), numbers(15)});
    expected.back().step(doubles(all.back().gradient), {}, decay);
  }
  adamw_step(all, {});
  for (std::size_t i = 0; i < all.size(); ++i) expect_close(all[i].value, expected[i].p, 1e-6);
}

TEST(Adamw, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor start = random_tensor({100003}, 1), gradient = random_tensor({100003}, 2);
  expect_same_bits_for_any_threads([&] {
    const adamw_parameter p{start.clone(), gradient, tensor(shape{100003}), tensor(shape{100003}), 0.1};
    adamw_step(std::array{p}, {});
    return std::vector{p.value, p.first_moment, p.second_moment,
                       tensor::full({1}, squared_norm(std::array{gradient, start}))};
  });
}

TEST(Adamw, RefusesShapesThatDoNotFit) {
  const adamw_parameter p{tensor({3, 4}), tensor({4, 3}), tensor({3, 4}), tensor({3, 4})};
  EXPECT_EQ(refusal([&] { adamw_step(std::array{p}, {}); }), "adamw: expected gradient [3, 4]; found [4, 3]");
  EXPECT_EQ(refusal([&] { adamw_step({}, {.step = 0}); }), "adamw: expected a step of 1 or more; found 0");
}

TEST(SquaredNorm, SumsSquaresInDouble) {
  on_every_instruction_set([] {
    const std::array tensors{random_tensor({5, 7}, 1), tensor(shape{0}), random_tensor({40000}, 2),
                             tensor::full({2}, 1e30)};
    double expected = 0;
    for (const tensor& t : tensors)
      for (const double v : doubles(t)) expected += v * v;
    EXPECT_NEAR(squared_norm(tensors), expected, 1e-12 * expected);
    EXPECT_TRUE(std::isnan(squared_norm(std::array{tensor::full({3}, NAN)})));
  });
}

TEST(ClippingFactor, LeavesShortGradientsAlone) {
  EXPECT_EQ(clipping_factor(0.25, 1), 1);
  EXPECT_NEAR(clipping_factor(16, 1), 0.25, 1e-6);
  EXPECT_TRUE(std::isnan(clipping_factor(NAN, 1)));
}

}  // namespace
}  // namespace qkv
