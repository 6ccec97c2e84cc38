// Narrow keys and values: rounded as promised, and then attended to as their float32 values would be.
#include "qkv/attention/attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qkv/base/memory.h"
#include "qkv/base/threads.h"
#include "tests/attention/against_oracle.h"
#include "tests/base/with_threads.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

using testing::HasSubstr;

TEST(Quantise, RoundsToTheNearestOf127StepsOfTheGreatestMagnitude) {
  const quantised x = quantise(tensor({1, 1, 2, 4}, {12.7, -6.35, 0.04, 0.06, -254, 2.9, 3.1, 254}));
  EXPECT_THAT(std::vector(x.values.data, x.values.data + 8), testing::ElementsAre(127, -64, 0, 1, -127, 1, 2, 127));
  EXPECT_FLOAT_EQ(x.scales(0, 0, 0), 0.1f);
  EXPECT_FLOAT_EQ(x.scales(0, 0, 1), 2);
}

TEST(Quantise, IsOffByAtMostOne254thOfTheGreatestOfTheRow) {
  const tensor x = normal({2, 30, 3, 40}, 1, dtype::float32, 5), back = dequantised(quantise(x));
  each_index({2, 30, 3}, [&](const shape& at) {
    double greatest = 0, off = 0;
    for (long c = 0; c < 40; ++c) {
      const double a = x.at<float>(at[0], at[1], at[2], c);
      greatest = std::max(greatest, std::abs(a));
      off = std::max(off, std::abs(a - back.at<float>(at[0], at[1], at[2], c)));
    }
    EXPECT_LE(off, greatest / 254 * 1.0001);
  });
}

TEST(Quantise, KeepsZerosAndMakesARowWithNanOrInfinityNan) {
  const tensor back = dequantised(quantise(tensor({1, 3, 1, 2}, {0, 0, 1, NAN, infinity, 2})));
  const auto x = back.values<float>();
  EXPECT_EQ(x[0], 0);
  EXPECT_EQ(x[1], 0);
  for (int n = 2; n < 6; ++n) EXPECT_TRUE(std::isnan(x[n])) << n;
}

TEST(Quantise, FillsTheNextPlacesOfACache) {
  const tensor x = normal({1, 3, 2, 8}, 2, dtype::float32);
  std::vector<std::int8_t> values(10 * 2 * 8);
  std::vector<float> scales(10 * 2);
  const view<std::int8_t, 4> places{values.data() + 4 * 16, {1, 3, 2, 8}, {160, 16, 8, 1}};
  const view<float, 3> of_places{scales.data() + 4 * 2, {1, 3, 2}, {20, 2, 1}};
  quantise_into(x.view<const float, 4>(), places, of_places);
  EXPECT_EQ(difference(dequantised({places, of_places}), dequantised(quantise(x))), 0);
  EXPECT_EQ(scales[7], 0);
  EXPECT_EQ(values[63], 0);
  EXPECT_EQ(scales[14], 0);
}

/// Keys or values in a form, lying in memory with gaps at times; and the same numbers in float32.
struct narrow_numbers {
  narrow_view as_stored;
  tensor as_float;
  std::vector<std::int8_t> bytes{};
  std::vector<float> scales{};
  tensor halves{};
};
enum class how_stored { int8, bfloat16, float32 };

std::unique_ptr<narrow_numbers> narrowed(const tensor& x, how_stored how, bool gaps) {
  auto n = std::make_unique<narrow_numbers>();
  const auto [B, S, G, D] = std::array{x.dim(0), x.dim(1), x.dim(2), x.dim(3)};
  if (how == how_stored::float32) {
    n->as_float = x, n->as_stored = x.view<const float, 4>();
  } else if (how == how_stored::bfloat16) {
    n->halves = tensor({B, G, S + gaps, D + 3 * gaps}, dtype::bfloat16).transpose(1, 2).slice(1, 0, S).slice(3, 0, D);
    n->halves.copy_from(x);
    n->as_float = n->halves.to(dtype::float32), n->as_stored = n->halves.view<const bfloat16, 4>();
  } else {
    const long row = D + 5 * gaps;
    n->bytes.resize(B * S * G * row + 1), n->scales.resize(B * S * G + 1);
    const view<std::int8_t, 4> values{n->bytes.data(), {B, S, G, D}, {G * S * row, row, S * row, 1}};  // heads first
    const auto scales = view<float, 3>::dense(n->scales.data(), {B, S, G});
    quantise_into(x.view<const float, 4>(), values, scales);
    const quantised q{values, scales};
    n->as_float = dequantised(q), n->as_stored = q;
  }
  return n;
}

struct results {
  tensor out, lse;
};
results unwritten(const tensor& q, const tensor& v) {
  return {tensor::full({q.dim(0), q.dim(1), q.dim(2), v.dim(3)}, NAN),
          tensor::full({q.dim(0), q.dim(1), q.dim(2)}, NAN)};
}
results over_narrow(const formula& f, const narrow_problem& x, const results& r, workspace& w) {
  attention_into(f, x, r.out.view<float, 4>(), r.lse.view<float, 3>(), w);
  return r;
}
results over_float(const formula& f, const problem& x, const results& r, workspace& w) {
  attention_into(f, x, r.out.view<float, 4>(), r.lse.view<float, 3>(), w);
  return r;
}

class Narrow : public EverySet {};

TEST_P(Narrow, EqualsAttentionOverTheSameNumbersInFloat32OnRandomCompositions) {
  workspace w, other;
  const long cases = GetParam() == widest_instruction_set() ? 800 : 300;
  for (long seed = 0; seed < cases && !HasFailure(); ++seed) {
    const attention_case c = random_case(std::uint64_t(seed) + 5000);
    const formula_ptr f = formula_of(c);
    const attention_inputs x = inputs_of(c);
    const auto k = narrowed(x.k.to_contiguous(), how_stored(seed % 3), seed % 2),
               v = narrowed(x.v.to_contiguous(), how_stored(seed / 3 % 3), seed % 5 == 0);
    const results found = over_narrow(*f, {x.q.view<const float, 4>(), k->as_stored, v->as_stored, c.align, c.ragged()},
                                      unwritten(x.q, x.v), w);
    const results wanted = over_float(*f,
                                      {x.q.view<const float, 4>(), k->as_float.view<const float, 4>(),
                                       v->as_float.view<const float, 4>(), c.align, c.ragged()},
                                      unwritten(x.q, x.v), other);
    if (f->similarity_form() != form::distance) {
      EXPECT_EQ(difference(found.out, wanted.out), 0) << "case " << seed << ": " << to_string(c);
      EXPECT_EQ(difference(found.lse, wanted.lse), 0) << "case " << seed << ": " << to_string(c);
    } else if (!c.is_kinked() && c.poisoned == poison::nothing) {  // which takes its sums in another order
      EXPECT_EQ(difference_in_words("out", found.out, wanted.out, {1, 1e-3}), "") << to_string(c);
    }
  }
}

TEST_P(Narrow, OneQueryAgainstALongCacheOfSharedHeads) {
  const tensor q = normal({1, 1, 8, 64}, 1, dtype::float32), k = normal({1, 5000, 2, 64}, 2, dtype::float32),
               v = normal({1, 5000, 2, 64}, 3, dtype::float32);
  const quantised k8 = quantise(k), v8 = quantise(v);
  EXPECT_LT(difference(attention(q, k8, v8, causal), oracle::attention(q, dequantised(k8), dequantised(v8), causal)),
            2e-5);
  EXPECT_LT(difference(attention(q, k8, v8), attention(q, k, v)), 2e-2);
  const tensor k16 = k.to(dtype::bfloat16), v16 = v.to(dtype::bfloat16);
  EXPECT_LT(difference(attention(q, k16, v16), oracle::attention(q, k16, v16)), 2e-5);
  EXPECT_LT(difference(attention(q, k16, v16), attention(q, k, v)), 1e-2);
}

TEST_P(Narrow, ScoresMoveByNoMoreThanTheRoundingOfKeys) {
  // With one key the log-sum-exp is the score.
  const tensor q = normal({1, 200, 1, 48}, 1, dtype::float32), k = normal({1, 1, 1, 48}, 2, dtype::float32),
               v({1, 1, 1, 1});
  const auto lse = [&](const auto& keys, const auto& values) {
    return attention_forward(q, keys, values, scale(1)).lse;
  };
  const tensor exact = lse(k, v), bytes = lse(quantise(k), quantise(v)),
               halves = lse(k.to(dtype::bfloat16), v.to(dtype::bfloat16));
  double greatest = 0;
  for (double x : values_of(k)) greatest = std::max(greatest, std::abs(x));
  for (long i = 0; i < 200; ++i) {
    double of_query = 0, of_both = 0;
    for (long c = 0; c < 48; ++c) {
      of_query += std::abs(q.at<float>(0l, i, 0l, c));
      of_both += std::abs(q.at<float>(0l, i, 0l, c) * k.at<float>(0l, 0l, 0l, c));
    }
    EXPECT_LE(std::abs(exact.at<float>(0l, i, 0l) - bytes.at<float>(0l, i, 0l)), of_query * greatest / 254 + 1e-5);
    EXPECT_LE(std::abs(exact.at<float>(0l, i, 0l) - halves.at<float>(0l, i, 0l)), of_both / 256 + 1e-5);
  }
}

TEST_P(Narrow, OutputsMoveByNoMoreThanTheRoundingOfValues) {
  const tensor q = normal({1, 3, 1, 4}, 1, dtype::float32), k = normal({1, 90, 1, 4}, 2, dtype::float32),
               v = normal({1, 90, 1, 24}, 3, dtype::float32);
  double greatest = 0;
  for (double x : values_of(v)) greatest = std::max(greatest, std::abs(x));
  EXPECT_LE(difference(attention(q, quantise(k), quantise(v), uniform), attention(q, k, v, uniform)),
            greatest / 254 + 1e-6);
  EXPECT_LE(difference(attention(q, k, v.to(dtype::bfloat16), uniform), attention(q, k, v, uniform)),
            greatest / 256 + 1e-6);
}

TEST_P(Narrow, ANanShowsInRowsThatHaveItsLinkAndInNoOthers) {
  const tensor q = normal({1, 40, 2, 16}, 1, dtype::float32), k = normal({1, 40, 1, 16}, 2, dtype::float32),
               v = normal({1, 40, 1, 16}, 3, dtype::float32);
  const tensor before = attention(q, quantise(k), quantise(v), causal);
  k.at<float>(0l, 30l, 0l, 3l) = NAN, v.at<float>(0l, 31l, 0l, 5l) = float(infinity);
  for (const tensor& out : {attention(q, quantise(k), quantise(v), causal),
                            attention(q, k.to(dtype::bfloat16), v.to(dtype::bfloat16), causal)})
    for (double x : values_of(out.slice(1, 30, 40))) EXPECT_FALSE(std::isfinite(x));
  const tensor after = attention(q, quantise(k), quantise(v), causal);
  EXPECT_LT(difference(before.slice(1, 0, 30), after.slice(1, 0, 30)), 1e-5);  // its block is summed in another order
}

TEST_P(Narrow, AnyNumberOfThreadsGivesTheSameBits) {
  const tensor q = normal({2, 130, 4, 32}, 1, dtype::float32);
  const quantised k = quantise(normal({2, 700, 2, 32}, 2, dtype::float32)),
                  v = quantise(normal({2, 700, 2, 32}, 3, dtype::float32));
  const with_threads single(1);
  const tensor one = attention(q, k, v, causal);
  for (int threads : {2, 3}) {
    set_thread_count(threads);
    EXPECT_EQ(difference(attention(q, k, v, causal), one), 0) << threads;
  }
}

QKV_ON_EVERY_SET(Narrow);

TEST(NarrowMemory, ACacheStaysAsNarrowAsItIs) {
  const tensor q = normal({1, 1, 4, 64}, 1, dtype::float32);
  tensor x = normal({1, 40000, 1, 64}, 2, dtype::float32);
  const quantised k = quantise(x);
  const double as_float = double(x.size()) * 4;
  x = {};
  release_kept_memory();
  const tensor out({1, 1, 4, 64}), lse({1, 1, 4});
  workspace w;
  reset_memory_peak();
  const double held = double(memory_in_use().in_use);
  attention_into(*make_formula(), narrow_problem{q.view<const float, 4>(), k, k}, out.view<float, 4>(),
                 lse.view<float, 3>(), w);
  EXPECT_LT(double(memory_in_use().peak) - held, as_float / 10 * thread_count());
}

TEST(NarrowErrors, AreSentences) {
  const tensor q({1, 3, 2, 8}), k({1, 5, 1, 8});
  const quantised k8 = quantise(k), longer = quantise(tensor({1, 6, 1, 8}));
  EXPECT_EQ(
      message_of<unsupported_error>([&] { attention_forward(q, k8, k8).backward(q); }),
      "attention backward: expected keys and values of type float32; found narrow ones (bfloat16 or int8), which the "
      "forward pass alone takes");
  EXPECT_THAT(message_of<unsupported_error>(
                  [&] { attention_forward(q, k.to(dtype::bfloat16), k.to(dtype::bfloat16)).backward(q); }),
              HasSubstr("found narrow ones"));
  EXPECT_THAT(message_of([&] { attention(q, k8, longer); }),
              HasSubstr("expected values with the B, S and G of the keys"));
  EXPECT_EQ(message_of([&] {
              attention(q, {k8.values, longer.scales}, k8);
            }),
            "attention: expected the scales of k [1, 5, 1]; found [1, 6, 1]");
  EXPECT_THAT(message_of<unsupported_error>([&] { attention(q.to(dtype::bfloat16), k, k); }),
              HasSubstr("expected q of type float32"));
  EXPECT_THAT(message_of([&] { quantise(tensor({5, 8})); }), HasSubstr("quantise: expected x [B, S, G, D]"));
}

}  // namespace
}  // namespace qkv
