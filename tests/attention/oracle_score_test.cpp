// Similarities and scores of the oracle, worked by hand.
#include "tests/attention/worked.h"

namespace qkv {
namespace {

struct OracleScore : two_sequences {
  tensor slopes = normal({4}, 5), bias = normal({4, 8}, 6), channels = normal({8}, 7);
};
struct OracleSimilarity : OracleScore {};

double dot_of(const numbers& a, const numbers& b) {
  double s = 0;
  for (std::size_t c = 0; c < a.size(); ++c) s += a[c] * b[c];
  return s;
}

TEST_F(OracleSimilarity, DotWithAnotherScale) {
  expect_worked({.similarity = [](const numbers& a, const numbers& b) { return 0.3 * dot_of(a, b); }}, {}, q, k, v,
                scale(0.3));
}

TEST_F(OracleSimilarity, AdditiveIsBahdanausNetwork) {
  const auto network = [&](const numbers& a, const numbers& b) {
    double s = 0;
    for (int c = 0; c < 8; ++c) s += channels.at<double>(c) * std::tanh(a[c] + b[c]);
    return s;
  };
  expect_worked({.similarity = network}, {channels}, q, k, v, additive(channels));
}

TEST_F(OracleSimilarity, CosineSharpened) {
  const auto rule = [](const numbers& a, const numbers& b) {
    return 10 * dot_of(a, b) / std::sqrt(dot_of(a, a) * dot_of(b, b));
  };
  expect_worked({.similarity = rule}, {}, q, k, v, cosine, scale(10));
}

TEST_F(OracleSimilarity, AVectorOfZerosIsLikeNoOther) {
  const tensor none = q.clone();
  none.fill(0);
  const auto run = oracle::attention_forward(none, k, v, cosine);
  EXPECT_LT(difference(run.out, oracle::attention(q, k, v, uniform)), 1e-12);
  EXPECT_EQ(difference(run.backward(run.out).dq, none), 0);
}

TEST_F(OracleSimilarity, NegativeSquaredDistance) {
  const auto rule = [](const numbers& a, const numbers& b) {
    double s = 0;
    for (std::size_t c = 0; c < a.size(); ++c) s -= (a[c] - b[c]) * (a[c] - b[c]);
    return s;
  };
  expect_worked({.similarity = rule}, {}, q, k, v, negative_squared_distance);
}

TEST_F(OracleSimilarity, BilinearHasAMatrixBetweenQueryAndKey) {
  const tensor matrix = normal({8, 8}, 9);
  const auto rule = [&](const numbers& a, const numbers& b) {
    double s = 0;
    for (long d = 0; d < 8; ++d)
      for (long c = 0; c < 8; ++c) s += a[d] * matrix.at<double>(d, c) * b[c];
    return s;
  };
  expect_worked({.similarity = rule}, {matrix}, q, k, v, bilinear(matrix));
}

TEST_F(OracleSimilarity, BilinearMayHaveAMatrixForEveryHead) {
  const tensor matrices = normal({4, 8, 8}, 9, dtype::float64, 0.5), projected({2, 9, 4, 8}, dtype::float64);
  each_index({2, 9, 4, 8}, [&](const shape& at) {
    for (long d = 0; d < 8; ++d)
      projected.at<double>(at[0], at[1], at[2], at[3]) +=
          q.item({at[0], at[1], at[2], d}) * matrices.item({at[2], d, at[3]});
  });
  EXPECT_LT(difference(oracle::attention(q, k, v, bilinear(matrices)), oracle::attention(projected, k, v, scale(1))),
            1e-12);
  expect_gradients({matrices}, q, k, v, bilinear(matrices), causal, softcap(5));
}

TEST_F(OracleSimilarity, LambdasOverChannels) {
  const auto distance = [](const numbers& a, const numbers& b) {
    double s = 0;
    for (std::size_t c = 0; c < a.size(); ++c) s -= std::abs(a[c] - b[c]);
    return s;
  };
  expect_worked({.similarity = distance}, {}, q, k, v, similarity([](auto a, auto b) { return -abs(a - b); }));
  const auto weighted = [&](const numbers& a, const numbers& b) {
    double s = 0;
    for (int c = 0; c < 8; ++c) s += channels.at<double>(c) * a[c] * b[c];
    return s;
  };
  expect_worked({.similarity = weighted}, {channels}, q, k, v,
                similarity([](auto a, auto b, auto w) { return w * a * b; }, channels));
}

TEST_F(OracleScore, LambdaAndMaskTogether) {
  expect_worked(
      {.score = [](double s, link) { return 3 * std::tanh(s / 3); }, .mask = [](link at) { return at.i >= at.j; }}, {},
      q, k, v, [](auto at) { return at.query >= at.key; }, [](auto s, auto) { return 3 * tanh(s / 3); });
}

TEST_F(OracleScore, EveryFunctionOfANumber) {
  const auto rule = [](double s, link at) {
    const double d = double(std::abs(at.i - at.j));
    return std::exp(-0.1 * d) * s + std::log(1 + std::abs(s)) + std::sqrt(s * s + 1) + 1 / (1 + std::exp(-s)) +
           std::min(s, 0.25) + std::max(s, -0.5) + (s > 0.1 ? 2 * s : s / 2) + std::floor(d / 3);
  };
  expect_worked({.score = rule}, {}, q, k, v, [](auto s, auto at) {
    auto d = abs(at.query - at.key);
    return exp(-0.1 * d) * s + log(1 + abs(s)) + sqrt(s * s + 1) + sigmoid(s) + min(s, 0.25) + max(s, -0.5) +
           select(s > 0.1, 2 * s, s / 2) + whole(real(d) / 3);
  });
}

TEST_F(OracleScore, ApplyFromLeftToRight) {
  expect_worked(
      {.score = [](double s, link) { return 2 * (s + 1) * (s + 1); }}, {}, q, k, v, [](auto s, auto) { return s + 1; },
      [](auto s, auto) { return 2 * s * s; });
}

TEST_F(OracleScore, Alibi) {
  const auto rule = [&](double s, link at) { return s - slopes.at<double>(at.h) * double(std::abs(at.i - at.j)); };
  expect_worked({.score = rule, .mask = [](link at) { return at.i >= at.j; }}, {slopes}, q, k, v, causal,
                alibi(slopes));
  EXPECT_EQ(difference(alibi_slopes(8), tensor({8}, {0.5, 0.25, 0.125, 1 / 16., 1 / 32., 1 / 64., 1 / 128., 1 / 256.})),
            0);
}

TEST_F(OracleScore, RelativeBiasOfBothKinds) {
  const auto bucket = [](long distance, long buckets) {
    const long exact = buckets / 2;
    if (distance < exact) return distance;
    const double far = std::log(double(distance) / double(exact)) / std::log(16.0 / double(exact));
    return std::min(exact + long(std::floor(far * double(buckets - exact))), buckets - 1);
  };
  const auto behind = [&](double s, link at) {
    return s + bias.at<double>(at.h, bucket(std::max(at.i - at.j, 0l), 8));
  };
  expect_worked({.score = behind}, {bias}, q, k, v, relative_bias(bias, {.bidirectional = false, .max_distance = 16}));
  const auto both = [&](double s, link at) {
    return s + bias.at<double>(at.h, bucket(std::abs(at.i - at.j), 4) + (at.j > at.i ? 4 : 0));
  };
  expect_worked({.score = both}, {bias}, q, k, v, relative_bias(bias, {.bidirectional = true, .max_distance = 16}));
}

TEST_F(OracleScore, LocalBiasKnowsNearDistancesAlone) {
  const auto behind = [&](double s, link at) {
    return at.j <= at.i && at.i - at.j < 8 ? s + bias.at<double>(at.h, at.i - at.j) : s;
  };
  expect_worked({.score = behind}, {bias}, q, k, v, local_bias(bias, sides::before));
  const tensor odd = bias.slice(1, 0, 5).clone();
  const auto both = [&](double s, link at) {
    return std::abs(at.i - at.j) <= 2 ? s + odd.at<double>(at.h, 2 + at.j - at.i) : s;
  };
  expect_worked({.score = both}, {odd}, q, k, v, local_bias(odd));
}

TEST_F(OracleScore, DenseBiasSumsItsGradientOverSharedAxes) {
  for (const shape& s : {shape{2, 4, 9, 13}, shape{1, 4, 9, 13}, shape{2, 1, 1, 13}, shape{1, 1, 9, 13}}) {
    const tensor pairs = normal(s, 8);
    const auto rule = [&](double x, link at) {
      return x + pairs.at<double>(s[0] > 1 ? at.b : 0, s[1] > 1 ? at.h : 0, s[2] > 1 ? at.i - 4 : 0, at.j);
    };
    expect_worked({.score = rule}, {pairs}, q, k, v, additive_bias(pairs));
  }
}

TEST_F(OracleScore, SeveralWithLearnedTensors) {
  const auto rule = [&](double s, link at) {
    const double biased = s + bias.at<double>(at.h, std::min(std::max(at.i - at.j, 0l), 7l));
    return 3 * std::tanh(biased / 3) * slopes.at<double>(at.h) + slopes.at<double>(0);
  };
  expect_worked({.score = rule}, {bias, slopes}, q, k, v,
                score([](auto s, auto at, auto b) { return s + b[at.head, min(max(at.query - at.key, 0), 7)]; }, bias),
                softcap(3), score([](auto s, auto at, auto a) { return s * a[at.head] + a[0]; }, slopes));
}

TEST_F(OracleScore, ATensorGivenToTwoPartsGetsTheSum) {
  const auto rule = [&](double s, link at) {
    return (s - slopes.at<double>(at.h) * double(std::abs(at.i - at.j))) * slopes.at<double>(at.h);
  };
  expect_worked({.score = rule}, {slopes}, q, k, v, alibi(slopes),
                score([](auto s, auto at, auto a) { return s * a[at.head]; }, slopes));
}

TEST_F(OracleScore, ATensorThatWasNotLearnedHasNoGradient) {
  const auto gradients = oracle::attention_forward(q, k, v, alibi(slopes)).backward(normal({2, 9, 4, 5}, 4));
  EXPECT_NE(message_of<std::invalid_argument>([&] { gradients[bias]; }).find("a tensor that the call learned from"),
            std::string::npos);
}

TEST_F(OracleScore, OfMinusInfinityIsAMaskToo) {
  const auto none = [](auto s, auto at) {
    return select(at.query >= at.key + 5, s, -std::numeric_limits<double>::infinity());
  };
  const auto same = [](auto at) { return at.query >= at.key + 5; };
  const auto run = oracle::attention_forward(q, k, v, none), masked = oracle::attention_forward(q, k, v, same);
  EXPECT_EQ(difference(run.out, masked.out), 0);
  EXPECT_EQ(difference(run.lse, masked.lse), 0);
  EXPECT_EQ(run.lse.item({0, 0, 0}), -infinity);
  const tensor dout = normal(run.out.shape(), 5);
  EXPECT_EQ(difference(run.backward(dout).dq, masked.backward(dout).dq), 0);
  expect_gradients({}, q, k, v, none);
}

}  // namespace
}  // namespace qkv
