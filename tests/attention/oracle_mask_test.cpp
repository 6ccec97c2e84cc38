// Masks and layouts of the oracle, worked by hand.
#include "qkv/attention/attention.h"
#include "qkv/numbers/hash.h"
#include "tests/attention/worked.h"

namespace qkv {
namespace {

struct OracleMask : two_sequences {};
struct OracleMaskOfSelf : one_sequence {
  template <class... Parts>
  void expect_links(const std::function<bool(link)>& rule, const Parts&... parts) {
    expect_worked({.mask = rule}, {}, x, x.clone(), x.clone(), parts...);
  }
};

TEST_F(OracleMask, NoPartsIsSoftmaxOfScaledDots) { expect_worked({}, {}, q, k, v); }

TEST_F(OracleMask, CausalPutsTheLastQueryOnTheLastKey) {
  expect_worked({.mask = [](link at) { return at.i >= at.j; }}, {}, q, k, v, causal);
}

TEST_F(OracleMask, TopLeftPutsTheFirstQueryOnTheFirstKey) {
  const direct first{.mask = [](link at) { return at.i >= at.j; }, .offset = [](long, long) { return 0l; }};
  expect_worked(first, {}, q, k, v, causal, top_left);
}

TEST_F(OracleMask, QueriesMayStartAnywhere) {
  const direct third{.mask = [](link at) { return at.i >= at.j; }, .offset = [](long, long) { return 3l; }};
  expect_worked(third, {}, q, k, v, causal, queries_start_at(3));
}

TEST_F(OracleMask, IsALambdaOfAllPlaces) {
  expect_worked({.mask = [](link at) { return (at.i + at.j + at.h + at.b) % 3 != 0; }}, {}, q, k, v,
                [](auto at) { return (at.query + at.key + at.head + at.batch) % 3 != 0; });
}

TEST_F(OracleMask, KnowsTheQuerysOwnNumberAndTheLengths) {
  expect_worked({.mask = [](link at) { return at.i - 4 >= 2 && 9 + 13 - at.j > 12; }}, {}, q, k, v,
                [](auto at) { return at.row >= 2 && at.queries + at.keys - at.key > 12; });
}

TEST_F(OracleMaskOfSelf, SlidingWindow) {
  expect_links([](link at) { return std::abs(at.i - at.j) < 6; }, sliding_window(6));
  expect_links([](link at) { return at.i - at.j <= 4 && at.j - at.i <= 1; }, sliding_window({.left = 4, .right = 1}));
  expect_links([](link) { return false; }, sliding_window(0));
}

TEST_F(OracleMaskOfSelf, DilatedWindow) {
  expect_links([](link at) { return std::abs(at.i - at.j) < 12 && (at.i - at.j) % 4 == 0; },
               sliding_window(12) & dilated(4));
}

TEST_F(OracleMaskOfSelf, WindowAnchorsAndRandomBlocks) {
  const auto rule = [](link at) {
    bool random = false;
    for (int n = 0; n < 2; ++n) random = random || hash_of(7 + n, at.i / 8, 0) % 5 == at.j / 8;
    return std::abs(at.i - at.j) < 6 || at.i < 2 || at.j < 2 || random;
  };
  expect_links(rule, sliding_window(6) | global_tokens(2) | random_blocks(8, 2, 7));
}

TEST_F(OracleMaskOfSelf, AnchorsAnywhere) {
  std::vector<std::int64_t> flags(40, 0);
  flags[5] = flags[31] = 1;
  expect_links([=](link at) { return at.i >= at.j && (flags[at.i] || flags[at.j]); },
               causal & global_tokens(table(flags)));
}

TEST_F(OracleMaskOfSelf, PrefixLanguageModel) {
  expect_links([](link at) { return at.i >= at.j || at.j < 7; }, causal | prefix(7));
}

TEST_F(OracleMaskOfSelf, Documents) {
  std::vector<std::int64_t> ids;
  for (long i = 0; i < 40; ++i) ids.push_back(i / 15);
  expect_links([](link at) { return at.i >= at.j && at.i / 15 == at.j / 15; }, causal & same_document(ids));
  expect_links([](link at) { return at.i / 15 != at.j / 15; }, !same_document(ids));
}

TEST_F(OracleMask, LengthsAndPrefixesOfEachSequence) {
  const table lengths{11, 4};
  const auto length = [](link at) { return at.b == 0 ? 11 : 4; };
  expect_worked({.mask = [=](link at) { return at.j < length(at); }}, {}, q, k, v, key_lengths(lengths));
  expect_worked({.mask = [=](link at) { return at.j < length(at) || at.i >= at.j; }}, {}, q, k, v,
                causal | prefix(lengths));
}

TEST_F(OracleMask, DenseArray) {
  const tensor some = normal({2, 1, 9, 13}, 5), one = normal({1, 4, 1, 13}, 6);
  const auto flags = [](const tensor& numbers) {
    const tensor f(numbers.shape(), dtype::int32);
    each_index(f.shape(), [&](const shape& i) {
      f.at<int>(i[0], i[1], i[2], i[3]) = numbers.at<double>(i[0], i[1], i[2], i[3]) > 0;
    });
    return f;
  };
  const tensor a = flags(some), b = flags(one);
  expect_worked({.mask = [&](link at) { return a.at<int>(at.b, 0, at.i - 4, at.j) && b.at<int>(0, at.h, 0, at.j); }},
                {}, q, k, v, dense_mask(a) & dense_mask(b));
}

TEST_F(OracleMaskOfSelf, PackedSequencesAreDocuments) {
  std::vector<std::int64_t> ids(40, 0);
  std::fill(ids.begin() + 12, ids.end(), 1);
  const auto all = oracle::attention_forward(x, x, x, causal, packed({0, 12, 12, 40}));
  EXPECT_LT(difference(all.out, oracle::attention(x, x, x, causal & same_document(ids))), 1e-14);
  expect_gradients({}, x, x.clone(), x.clone(), causal, packed({0, 12, 12, 40}));
}

TEST_F(OracleMask, PaddedSequencesAreTheirSlices) {
  const auto all = oracle::attention_forward(q, k, v, causal, padded({9, 3}, {13, 5}));
  const tensor second = oracle::attention(q.slice(0, 1, 2).slice(1, 0, 3), k.slice(0, 1, 2).slice(1, 0, 5),
                                          v.slice(0, 1, 2).slice(1, 0, 5), causal);
  EXPECT_EQ(difference(all.out.slice(0, 1, 2).slice(1, 0, 3), second), 0);
  EXPECT_EQ(difference(all.out.slice(0, 1, 2).slice(1, 3, 9), tensor({1, 6, 4, 5}, dtype::float64)), 0);
  EXPECT_EQ(all.lse.item({1, 3, 0}), -infinity);
  expect_gradients({}, q, k, v, causal, padded({9, 3}, {13, 5}));
}

TEST_F(OracleMask, RowsWithoutALinkGiveZeroAndNoGradient) {
  const tensor few_keys = k.slice(1, 0, 5).clone(), few_values = v.slice(1, 0, 5).clone();
  const auto run = oracle::attention_forward(q, few_keys, few_values, causal);  // the first four queries see nothing
  EXPECT_EQ(run.out.item({0, 3, 0, 0}), 0);
  EXPECT_EQ(run.lse.item({0, 3, 0}), -infinity);
  EXPECT_TRUE(std::isfinite(run.lse.item({0, 4, 0})));
  EXPECT_EQ(run.backward(normal(run.out.shape(), 4)).dq.item({0, 3, 0, 0}), 0);
  expect_gradients({}, q, few_keys, few_values, causal);
}

TEST_F(OracleMask, WhatIsMaskedMayBeAnything) {
  const auto hidden = [](auto at) { return at.key != 2 && at.key != 12; };
  const auto run = oracle::attention_forward(q, k, v, hidden);
  const tensor dout = normal(run.out.shape(), 4);
  const auto gradients = run.backward(dout);
  const tensor wild_k = k.clone(), wild_v = v.clone();
  wild_k.slice(1, 2, 3).fill(NAN), wild_k.slice(1, 12, 13).fill(infinity);
  wild_v.slice(1, 2, 3).fill(-infinity), wild_v.slice(1, 12, 13).fill(NAN);
  for (const auto& similarity :
       {make_formula(hidden), make_formula(hidden, cosine), make_formula(hidden, negative_squared_distance)}) {
    const auto of = [&](const tensor& keys, const tensor& values) {
      return oracle::attention_run(similarity, q, keys, values, bottom_right, {});
    };
    EXPECT_EQ(difference(of(k, v).out, of(wild_k, wild_v).out), 0);
    const auto tame = of(k, v).backward(dout), wild = of(wild_k, wild_v).backward(dout);
    EXPECT_EQ(difference(tame.dq, wild.dq) + difference(tame.dk, wild.dk) + difference(tame.dv, wild.dv), 0);
  }
}

TEST_F(OracleMask, NothingAtAllIsFine) {
  for (const shape& s : {shape{2, 0, 4, 8}, shape{0, 9, 4, 8}}) {
    const tensor none(s, dtype::float64), keys = s[0] == 0 ? tensor({0, 13, 2, 8}, dtype::float64) : k,
                                          values = s[0] == 0 ? tensor({0, 13, 2, 5}, dtype::float64) : v;
    EXPECT_EQ(oracle::attention(none, keys, values).shape(), (shape{s[0], s[1], 4, 5}));
  }
  const tensor no_keys({2, 0, 2, 8}, dtype::float64), no_values({2, 0, 2, 5}, dtype::float64);
  const auto run = oracle::attention_forward(q, no_keys, no_values);
  EXPECT_EQ(difference(run.out, tensor({2, 9, 4, 5}, dtype::float64)), 0);
  EXPECT_EQ(run.lse.item({1, 8, 3}), -infinity);
  EXPECT_EQ(run.backward(run.out).dk.shape(), no_keys.shape());
}

}  // namespace
}  // namespace qkv
