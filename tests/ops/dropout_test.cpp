#include "qkv/ops/dropout.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

TEST(Dropout, KeepsWhatTheStreamSays) {
  on_every_instruction_set([] {
    for (const random_stream random : {random_stream{1, 2}, random_stream{0x123456789ABCDEF0, 0xFEDCBA9876543210}})
      for (const long n : {0l, 1l, 63l, 65l, 40001l}) {
        const tensor x = random_tensor({n}, 3), y = dropout(x, 0.3, random);
        for (long i = 0; i < n; ++i) {
          const bool kept = random.bits(std::uint64_t(i)) >= std::uint32_t(0.3 * 0x1p32);
          ASSERT_FLOAT_EQ(y.at<float>(i), kept ? x.at<float>(i) / 0.7f : 0.f) << i;
        }
      }
  });
}

TEST(Dropout, KeepsTheMean) {
  const tensor y = dropout(tensor::full({100000}, 1), 0.25, {5, 6});
  double total = 0;
  for (const float v : y.values<float>()) total += v;
  EXPECT_NEAR(total / 100000, 1, 0.01);
}

TEST(Dropout, IsItsOwnBackward) {
  const tensor x = tensor::full({999}, 2), dy = tensor::full({999}, 3), dx = tensor::full({999}, 1);
  const random_stream random{7, 8};
  const tensor y = dropout(x, 0.5, random);
  dropout_into(dx, dy, 0.5, random, writing::add);
  for (long i = 0; i < 999; ++i) EXPECT_FLOAT_EQ(dx.at<float>(i), 1 + y.at<float>(i) / 2 * 3);
}

TEST(Dropout, DropsNothingOrEverythingAtTheEnds) {
  on_every_instruction_set([] {
    const tensor x = random_tensor({50}, 1);
    EXPECT_TRUE(same_bits(dropout(x, 0, {1, 2}), x));
    expect_close(dropout(tensor::full({50}, NAN), 1, {1, 2}), numbers(50, 0.0), 0);
  });
}

TEST(Dropout, DropsNanToExactlyZero) {
  on_every_instruction_set([] {
    const tensor y = dropout(tensor::full({64}, NAN), 0.5, {1, 2});
    for (long i = 0; i < 64; ++i) {
      const bool kept = random_stream{1, 2}.bits(std::uint64_t(i)) >= 0x80000000u;
      EXPECT_EQ(std::isnan(y.at<float>(i)), kept);
      if (!kept) { EXPECT_EQ(y.at<float>(i), 0); }
    }
  });
}

TEST(Dropout, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor x = random_tensor({100003}, 1);
  expect_same_bits_for_any_threads([&] { return std::vector{dropout(x, 0.1, {3, 4})}; });
}

TEST(Dropout, RefusesOtherProbabilities) {
  EXPECT_EQ(refusal([] { dropout(tensor({2, 3}), 1.5, {}); }), "dropout: expected a probability in 0 .. 1; found 1.5");
  EXPECT_EQ(refusal([] { dropout(tensor({2, 3}), NAN, {}); }), "dropout: expected a probability in 0 .. 1; found nan");
}

}  // namespace
}  // namespace qkv
