// sgd
#include "qkv/ops/sgd.h"

#include <array>

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

TEST(Sgd, FollowsItsFormulaStepByStep) {
  on_every_instruction_set([] {
    for (const long size : {0l, 1l, 13l, 20000l}) {
      sgd_parameter p{random_tensor({size}, 1), tensor({size}), tensor(shape{size}), 0.1};
      numbers value = doubles(p.value), velocity(std::size_t(size), 0.0);
      const sgd_options options{.learning_rate = 0.01, .momentum = 0.8, .gradient_scale = 0.5};
      for (std::uint64_t step = 1; step <= 20; ++step) {
        p.gradient = random_tensor({size}, step + 10);
        sgd_step(std::array{p}, options);
        const numbers gradient = doubles(p.gradient);
        for (std::size_t i = 0; i < value.size(); ++i) {
          velocity[i] = 0.8 * velocity[i] + 0.5 * gradient[i] + 0.1 * value[i];
          value[i] -= 0.01 * velocity[i];
        }
      }
      expect_close(p.value, value, 2e-6);
      expect_close(p.velocity, velocity, 2e-6);
    }
  });
}

TEST(Sgd, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor start = random_tensor({100003}, 1), gradient = random_tensor({100003}, 2);
  expect_same_bits_for_any_threads([&] {
    const sgd_parameter p{start.clone(), gradient, tensor(shape{100003}), 0.1};
    sgd_step(std::array{p}, {});
    return std::vector{p.value, p.velocity};
  });
}

TEST(Sgd, RefusesShapesThatDoNotFit) {
  const sgd_parameter p{tensor({3, 4}), tensor({4, 3}), tensor({3, 4})};
  EXPECT_EQ(refusal([&] { sgd_step(std::array{p}, {}); }), "sgd: expected gradient [3, 4]; found [4, 3]");
}

}  // namespace
}  // namespace qkv
