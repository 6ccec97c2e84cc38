#include "qkv/ops/segment_mean.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

const std::vector<std::vector<long>> all_offsets = {{0}, {0, 0}, {0, 1}, {0, 3, 3, 4, 11}};

numbers means(const numbers& x, const std::vector<long>& offsets, long width) {
  numbers y(std::size_t(long(offsets.size() - 1) * width));
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b)
    for (long i = offsets[b]; i < offsets[b + 1]; ++i)
      for (long j = 0; j < width; ++j)
        y[b * std::size_t(width) + std::size_t(j)] +=
            x[std::size_t(i * width + j)] / double(offsets[b + 1] - offsets[b]);
  return y;
}

TEST(SegmentMean, IsTheMeanOfEachSequence) {
  on_every_instruction_set([] {
    for (const auto& offsets : all_offsets)
      for (const long width : {1, 7, 32}) {
        const tensor x = random_tensor({offsets.back(), width}, 1);
        const numbers expected = means(doubles(x), offsets, width);
        expect_close(segment_mean(x, offsets), expected, 1e-6);
        expect_close(segment_mean(turned(x), offsets), expected, 1e-6);
        if (x.size() > 0) expect_close(segment_mean(with_gaps(x), offsets), expected, 1e-6);
      }
  });
}

TEST(SegmentMeanBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    for (const auto& offsets : all_offsets) {
      const tensor x = random_tensor({offsets.back(), 5}, 1), dx = tensor::full(x.shape(), 1);
      const tensor dy = random_tensor({long(offsets.size()) - 1, 5}, 2);
      segment_mean_backward_into(dx, dy, offsets, writing::add);
      expect_close(dx,
                   numerical_gradient(
                       [&](const numbers& v) {
                         double sum = 0;
                         for (const double e : v) sum += e;
                         return sum + dot(means(v, offsets, 5), doubles(dy));
                       },
                       doubles(x)),
                   1e-5);
    }
  });
}

TEST(SegmentMean, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor x = random_tensor({500, 40}, 1);
  const std::vector<long> offsets{0, 7, 7, 300, 500};
  expect_same_bits_for_any_threads([&] { return std::vector{segment_mean(x, offsets)}; });
}

TEST(SegmentMean, RefusesWhatDoesNotFit) {
  const std::vector<long> offsets{0, 5};
  EXPECT_EQ(refusal([&] {
              segment_mean(tensor({6, 2}), offsets);
            }),
            "segment_mean: expected offsets that end at the 6 rows; found 5");
  EXPECT_EQ(refusal([&] { segment_mean(tensor({6}), offsets); }), "segment_mean: expected x [N, C]; found [6]");
}

}  // namespace
}  // namespace qkv
