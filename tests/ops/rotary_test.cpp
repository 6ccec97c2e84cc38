#include "qkv/ops/rotary.h"

#include <climits>

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

/// x [B, T, H, D] turned in double.
numbers turned_by_position(const numbers& x, const shape& s, long first, rotary_layout layout) {
  numbers y(x.size());
  const long half = s[3] / 2;
  for (long i = 0; i < s[0] * s[1] * s[2]; ++i) {
    const long t = i / s[2] % s[1];
    for (long p = 0; p < half; ++p) {
      const bool split = layout == rotary_layout::half_split;
      const auto a = std::size_t(i * s[3] + (split ? p : 2 * p)),
                 b = std::size_t(i * s[3] + (split ? p + half : 2 * p + 1));
      const double angle = double(first + t) * std::pow(10000.0, -2.0 * double(p) / double(s[3]));
      y[a] = x[a] * std::cos(angle) - x[b] * std::sin(angle);
      y[b] = x[a] * std::sin(angle) + x[b] * std::cos(angle);
    }
  }
  return y;
}

const std::vector<shape> shapes = {{0, 3, 2, 4}, {1, 1, 1, 2}, {2, 5, 3, 6}, {1, 40, 2, 64}, {3, 2, 1, 34}};
const auto layouts = {rotary_layout::half_split, rotary_layout::interleaved};

TEST(Rotary, TurnsEveryPairByItsPosition) {
  on_every_instruction_set([] {
    for (const shape& s : shapes)
      for (const auto layout : layouts) {
        const tensor x = random_tensor(s, 1);
        const auto table = make_rotary_table(50, s[3]);
        const numbers expected = turned_by_position(doubles(x), s, 7, layout);
        expect_close(rotary(x, table, 7, layout), expected, 1e-6);
        if (x.size() > 0) expect_close(rotary(with_gaps(x), table, 7, layout), expected, 1e-6);
        rotary_into(x, x, table, 7, layout);
        expect_close(x, expected, 1e-6);
      }
  });
}

TEST(RotaryBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    const shape s{2, 3, 2, 6};
    for (const auto layout : layouts) {
      const tensor x = random_tensor(s, 1), g = random_tensor(s, 2), dx = tensor(s);
      rotary_backward_into(dx, g, make_rotary_table(9, 6), 1, layout);
      expect_close(
          dx,
          numerical_gradient([&](const numbers& v) { return dot(turned_by_position(v, s, 1, layout), doubles(g)); },
                             doubles(x)),
          1e-5);
    }
  });
}

TEST(Rotary, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor x = random_tensor({3, 200, 4, 32}, 1);
  expect_same_bits_for_any_threads([&] { return std::vector{rotary(x, make_rotary_table(200, 32))}; });
}

TEST(Rotary, RefusesWhatDoesNotFit) {
  EXPECT_EQ(refusal([] { make_rotary_table(3, 7); }), "rotary: expected an even width; found 7");
  EXPECT_EQ(refusal([] {
              rotary(tensor({1, 65, 1, 4}), make_rotary_table(64, 4));
            }),
            "rotary: expected positions below 64; found 65");
  const tensor x({1, 2, 1, 4});
  const rotary_table table = make_rotary_table(64, 4);
  EXPECT_EQ(refusal([&] { rotary(x, table, 63); }), "rotary: expected positions below 64; found 65");
  EXPECT_EQ(refusal([&] { rotary(x, table, LONG_MAX - 1); }),
            "rotary: expected positions below 64; found 9223372036854775806");
  EXPECT_EQ(refusal([&] { rotary(x, table, -1); }), "rotary: expected a first position of at least 0; found -1");
  EXPECT_EQ(refusal([] { make_rotary_table(3, 4, 0); }), "rotary: expected a base above 0; found 0.000000");
  EXPECT_EQ(refusal([] { make_rotary_table(3, 4, NAN); }), "rotary: expected a base above 0; found nan");
  EXPECT_EQ(refusal([] {
              rotary(tensor({1, 6, 1, 4}), make_rotary_table(64, 6));
            }),
            "rotary: expected x [..., 6]; found [1, 6, 1, 4]");
  EXPECT_EQ(refusal([] {
              rotary(tensor({6, 1, 4}), make_rotary_table(64, 4));
            }),
            "rotary: expected x [B, T, H, D]; found [6, 1, 4]");
}

}  // namespace
}  // namespace qkv
