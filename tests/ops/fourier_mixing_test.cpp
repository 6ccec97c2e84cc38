#include "qkv/ops/fourier_mixing.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

numbers transformed(const numbers& x, const shape& s) {
  numbers y(x.size());
  const long T = s[1], C = s[2];
  for (long b = 0; b < s[0]; ++b)
    for (long t = 0; t < T; ++t)
      for (long c = 0; c < C; ++c)
        for (long r = 0; r < T; ++r)
          for (long d = 0; d < C; ++d)
            y[std::size_t((b * T + t) * C + c)] +=
                x[std::size_t((b * T + r) * C + d)] *
                std::cos(2 * M_PI * (double(t * r) / double(T) + double(c * d) / double(C))) / std::sqrt(double(T * C));
  return y;
}

TEST(FourierMixing, IsTheRealPartOfTheTransform) {
  on_every_instruction_set([] {
    for (const shape& s :
         {shape{0, 3, 4}, shape{1, 1, 1}, shape{2, 5, 7}, shape{1, 9, 1}, shape{2, 1, 6}, shape{1, 12, 20}}) {
      const tensor x = random_tensor(s, 1);
      const numbers expected = transformed(doubles(x), s);
      expect_close(fourier_mixing(x), expected, 3e-6);
      const tensor y = tensor::full(s, 1);
      fourier_mixing_into(y, x, writing::add);
      numbers more = expected;
      for (double& e : more) e += 1;
      expect_close(y, more, 3e-6);
    }
  });
}

TEST(FourierMixing, IsItsOwnDerivative) {
  const shape s{1, 5, 4};
  const tensor x = random_tensor(s, 1), dy = random_tensor(s, 2);
  expect_close(fourier_mixing(dy),
               numerical_gradient([&](const numbers& v) { return dot(transformed(v, s), doubles(dy)); }, doubles(x)),
               1e-5);
}

TEST(FourierMixing, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor x = random_tensor({2, 100, 60}, 1);
  expect_same_bits_for_any_threads([&] { return std::vector{fourier_mixing(x)}; });
}

TEST(FourierMixing, RefusesWhatDoesNotFit) {
  EXPECT_EQ(refusal([] { fourier_mixing(tensor({5, 8})); }), "fourier_mixing: expected x [B, T, C]; found [5, 8]");
}

}  // namespace
}  // namespace qkv
