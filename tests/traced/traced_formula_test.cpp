// A traced lambda is the lambda: links, tiles, scores and derivatives equal those of the compiled one.
#include "qkv/traced/traced_formula.h"

#include <gtest/gtest.h>

#include "qkv/attention/attention.h"
#include "qkv/attention/oracle.h"
#include "qkv/traced/ready_parts.h"
#include "tests/attention/tensors.h"
#include "tests/base/message_of.h"
#include "tests/traced/symbols.h"

namespace qkv::traced {
namespace {

using formula_ptr = std::shared_ptr<const formula>;

traced_parts plain() {
  return {.similarity = {similarity_named("dot"), {}, {}}, .weighting = {weighting_named("softmax"), {}}};
}
formula_ptr with_mask(program p) {
  traced_parts parts = plain();
  parts.mask = std::move(p);
  return make_traced_formula(parts);
}
formula_ptr with_score(program p, std::vector<parameter> learned = {}) {
  traced_parts parts = plain();
  parts.score = std::move(p), parts.learned = std::move(learned);
  return make_traced_formula(parts);
}

std::vector<tile> tiles() {
  return {{0, 0, 0, 1, 0, 1, 0, 1, 1},       {1, 2, 3, 6, 32, 32, 0, 100, 64}, {0, 1, 0, 12, 0, 256, 5, 40, 300},
          {1, 3, 7, 70, 16, 48, 30, 80, 64}, {0, 0, 2, 5, 0, 600, -7, 9, 600}, {2, 1, 100, 64, 100, 64, 0, 200, 200}};
}
long padded(long keys) { return (keys + 15) / 16 * 16; }

double greatest(const tensor& t) {
  double most = 0;
  for (double x : values_of(t)) most = std::max(most, std::abs(x));
  return most;
}

template <class Lambda>
void same_mask(const Lambda& lambda) {
  const auto compiled = make_formula(mask{lambda});
  const auto interpreted = with_mask(traced_mask(lambda));
  for (const tile& t : tiles()) {
    const auto a = std::make_unique<bool[]>(t.rows * t.keys), b = std::make_unique<bool[]>(t.rows * t.keys);
    compiled->keep(t, a.get()), interpreted->keep(t, b.get());
    std::vector<std::int32_t> c(t.rows * padded(t.keys));
    interpreted->keep(t, c.data(), padded(t.keys));
    for (long i = 0; i < t.rows; ++i)
      for (long j = 0; j < t.keys; ++j) {
        ASSERT_EQ(a[i * t.keys + j], b[i * t.keys + j]) << "in double, row " << i << " key " << j;
        ASSERT_EQ(a[i * t.keys + j], c[i * padded(t.keys) + j] != 0) << "on lanes, row " << i << " key " << j;
      }
    const long q = t.offset + t.row;
    const position<interval> at{{q, q + t.rows - 1, reads_query},
                                {t.key, t.key + t.keys - 1, reads_key},
                                {t.head, t.head, reads_head},
                                {t.batch, t.batch, reads_batch},
                                {t.row, t.row + t.rows - 1, reads_query},
                                t.all_rows,
                                t.all_keys};
    EXPECT_EQ(compiled->classify(at).is, interpreted->classify(at).is);
    EXPECT_EQ(compiled->classify(at).from, interpreted->classify(at).from);
  }
}

// Both directions, in float on lanes and in double: the compiled formula is what the traced one must equal.
void same_score(const formula& compiled, const formula& traced, const std::vector<tensor>& learned = {}) {
  for (const tile& t : tiles()) {
    const long pitch = padded(t.keys);
    const tensor s = normal({t.rows, pitch}, 3, dtype::float64, 4), d = normal({t.rows, pitch}, 4);
    std::vector<float> before, slopes;
    for (long i = 0; i < t.rows; ++i)
      for (long j = 0; j < pitch; ++j) {
        const bool inside = j < t.keys;
        before.push_back(float(s.at<double>(i, j)));
        slopes.push_back(inside && (i + j) % 5 ? float(d.at<double>(i, j)) : 0.f);
      }
    const auto run = [&](const formula& f) {
      std::vector<float> y = before, ds = slopes;
      f.score(t, y.data(), pitch);
      std::vector<std::vector<float>> gradients;
      std::vector<float*> to;
      for (const tensor& p : learned)
        gradients.emplace_back(std::size_t(p.size())), to.push_back(gradients.back().data());
      f.score_backward(t, before.data(), ds.data(), pitch, to);
      std::vector<float> all;
      for (long i = 0; i < t.rows; ++i)
        for (long j = 0; j < t.keys; ++j) all.push_back(y[i * pitch + j]), all.push_back(ds[i * pitch + j]);
      for (const auto& g : gradients) all.insert(all.end(), g.begin(), g.end());
      return all;
    };
    const auto run_double = [&](const formula& f) {
      std::vector<double> y, ds;
      for (long i = 0; i < t.rows; ++i)
        for (long j = 0; j < t.keys; ++j) y.push_back(before[i * pitch + j]), ds.push_back(slopes[i * pitch + j]);
      const std::vector<double> given = y;
      std::vector<std::vector<double>> gradients;
      std::vector<double*> to;
      for (const tensor& p : learned)
        gradients.emplace_back(std::size_t(p.size())), to.push_back(gradients.back().data());
      f.score(t, y.data()), f.score_backward(t, given.data(), ds.data(), to);
      y.insert(y.end(), ds.begin(), ds.end());
      for (const auto& g : gradients) y.insert(y.end(), g.begin(), g.end());
      return y;
    };
    const auto a = run(compiled), b = run(traced);
    const auto c = run_double(compiled), e = run_double(traced);
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 2e-5 * (1 + std::abs(a[i]))) << i;
    for (std::size_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], e[i], 1e-11 * (1 + std::abs(c[i]))) << i;
  }
}
template <class Lambda>
void same_score(const Lambda& lambda) {
  same_score(*make_formula(score{lambda}), *with_score(traced_score(lambda)));
}

TEST(TracedMask, EqualsTheCompiledOneLinkByLinkAndTileByTile) {
  same_mask([](auto at) { return at.query >= at.key; });
  same_mask([](auto at) { return at.query >= at.key && at.query - at.key < 50; });
  same_mask([](auto at) { return abs(at.query - at.key) % 7 == 3 || at.key / 3 < 2; });
  same_mask([](auto at) { return !(at.key * 2 < at.query + at.row) && at.head != 1; });
  same_mask([](auto at) { return hash(3, at.query / 4, at.key / 4) % 3 == 0; });
  same_mask([](auto at) { return select(at.batch == 1, min(at.query, at.keys), max(at.key, at.queries)) % 2 == 0; });
  same_mask([](auto at) { return at.head < 2; });
  same_mask([](auto at) { return at.key < 40; });
  same_mask([](auto at) { return at.row > 3; });
}

TEST(TracedScore, EqualsTheCompiledOneWithItsDerivative) {
  same_score([](auto s, auto) { return 30 * tanh(s / 30); });
  same_score([](auto s, auto at) { return s - 0.1 * abs(at.query - at.key); });
  same_score(
      [](auto s, auto at) { return select(at.query > at.key, s * s, -s) + exp(-abs(s)) * sigmoid(s) / (1 + s * s); });
  same_score([](auto s, auto) { return min(s, 1) + max(s, -1) * 2; });
  same_score([](auto s, auto) { return log(1 + s * s) - sqrt(2 + s * s); });
  same_score([](auto s, auto at) { return s + whole(s * 3) * 0.5 + real(at.key % 3); });
}

TEST(TracedScore, GivesTheGradientOfWhatItLooksUp) {
  const tensor slopes = normal({4}, 5, dtype::float32), bias = normal({4, 9}, 6, dtype::float32),
               of_keys = normal({700}, 7, dtype::float32);
  const auto rule = [](auto s, auto at, auto slope, auto table, auto along) {
    return s * exp(slope[at.head] * 0.1) + table[at.head, min(abs(at.query - at.key) / 2, 8)] * tanh(s) +
           along[at.key] * slope[at.batch];
  };
  const std::vector<parameter> learned{{slopes}, {bias}, {of_keys}};
  same_score(
      *make_formula(score{rule, learned[0], learned[1], learned[2]}),
      *with_score(traced_score(rule, learned_symbol{0, {4}}, learned_symbol{1, {4, 9}}, learned_symbol{2, {700}}),
                  learned),
      {slopes, bias, of_keys});
}

TEST(TracedScore, LeavesNoTraceOfABranchNotTakenOrALinkThatIsNot) {
  const auto f = with_score(traced_score([](auto s, auto) { return select(s > 0, sqrt(s), 0 * s); }));
  std::vector<float> s(16, -1.f), ds(16, 1.f);
  s[3] = 4, s[5] = NAN, ds[5] = 0, s[6] = 0;
  f->score_backward({0, 0, 0, 1, 0, 16, 0, 1, 16}, s.data(), ds.data(), 16, {});
  for (int j = 0; j < 16; ++j) EXPECT_EQ(ds[j], j == 3 ? 0.25f : 0.f) << j;
}

TEST(TracedSimilarity, EqualsTheCompiledOne) {
  const auto term = [](auto q, auto k, auto w) { return w * tanh(q - k) - abs(q * k); };
  const tensor w = normal({7}, 8, dtype::float32);
  traced_parts parts = plain();
  parts.similarity = {nullptr, traced([&] {
                        const auto given = [](opcode c) { return real_symbol::numbered(recording->given(c)); };
                        return term(given(opcode::query_channel), given(opcode::key_channel),
                                    given(opcode::channel_weight));
                      }),
                      parameter{w, "channel weights", "D"}};
  const auto f = make_traced_formula(parts);
  const auto compiled = make_formula(similarity{term, w});
  const tensor q = normal({2, 60, 2, 7}, 1, dtype::float32), k = normal({2, 300, 1, 7}, 2, dtype::float32),
               v = normal({2, 300, 1, 5}, 3, dtype::float32), dout = normal({2, 60, 2, 5}, 4, dtype::float32);
  const auto a = attention_forward_with(compiled, q, k, v), b = attention_forward_with(f, q, k, v);
  EXPECT_LT(difference(a.out, b.out), 1e-5);
  const auto da = a.backward(dout), db = b.backward(dout);
  EXPECT_LT(difference(da.dq, db.dq), 2e-5);
  EXPECT_LT(difference(da.dk, db.dk), 2e-5);
  EXPECT_LT(difference(da[w], db[w]), 2e-3);
  const oracle::attention_run c(compiled, q, k, v, bottom_right, {}), d(f, q, k, v, bottom_right, {});
  EXPECT_LT(difference(c.out, d.out), 1e-13);
  EXPECT_LT(difference(c.backward(dout)[w], d.backward(dout)[w]), 1e-10);
}

// What a graph asks: each link with its own query and key, keys in any order.
TEST(TracedFormula, RunsOverTheEdgesOfAGraph) {
  const auto term = [](auto q, auto k, auto w) { return w * tanh(q - k); };
  const auto rule = [](auto s, auto at) { return s - 0.1 * abs(at.query - at.key); };
  const tensor w = normal({5}, 8, dtype::float32), q = normal({5, 48}, 1, dtype::float32),
               k = normal({5, 48}, 2, dtype::float32), ds = normal({48}, 3, dtype::float32);
  traced_parts parts = plain();
  parts.similarity = {nullptr, traced([&] {
                        const auto given = [](opcode c) { return real_symbol::numbered(recording->given(c)); };
                        return term(given(opcode::query_channel), given(opcode::key_channel),
                                    given(opcode::channel_weight));
                      }),
                      parameter{w, "channel weights", "D"}};
  parts.score = traced_score(rule);
  parts.mask = traced_mask([](auto at) { return at.key % 3 != 1; });
  std::vector<std::int32_t> places;
  for (int n = 0; n < 48; ++n) places.push_back(n * 7 % 48);
  const auto run = [&](const formula& f) {
    std::vector<float> s(48), dq(240), dk(240), dw(5);
    float* const gradients[] = {dw.data()};
    const channel_links x{q.data<float>(), k.data<float>(), 48, 48, 5};
    f.similarities(x, 0.5f, s.data());
    f.similarities_backward(x, 0.5f, ds.data<float>(), dq.data(), dk.data(), gradients);
    tile t{0, 0, 3, 1, 0, 48, 0, 60, 60};
    t.places = places.data();
    std::vector<std::int32_t> kept(48);
    f.keep(t, kept.data(), 48);
    f.score(t, s.data(), 48);
    for (const auto& more : {dq, dk, dw}) s.insert(s.end(), more.begin(), more.end());
    s.insert(s.end(), kept.begin(), kept.end());
    return s;
  };
  const auto a = run(*make_formula(similarity{term, w}, score{rule}, mask{[](auto at) { return at.key % 3 != 1; }})),
             b = run(*make_traced_formula(parts));
  for (std::size_t n = 0; n < a.size(); ++n) ASSERT_NEAR(a[n], b[n], 2e-5) << n;
}

TEST(TracedWeighting, EqualsTheCompiledOne) {
  const auto activation = [](auto x) { return select(x <= 0, decltype(x)(0), x * x * x); };
  for (const normalised how : {normalised::yes, normalised::no, normalised::by_division}) {
    traced_parts parts = plain();
    parts.weighting = {nullptr,
                       traced([&] { return activation(real_symbol::numbered(recording->given(opcode::score))); }), how};
    const auto f = make_traced_formula(parts);
    const auto compiled = make_formula(weighting{activation, how});
    const tensor q = normal({1, 50, 2, 8}, 1, dtype::float32), k = normal({1, 400, 2, 8}, 2, dtype::float32),
                 dout = normal({1, 50, 2, 8}, 4, dtype::float32);
    const auto a = attention_forward_with(compiled, q, k, k), b = attention_forward_with(f, q, k, k);
    const tensor da = a.backward(dout).dq;
    EXPECT_LT(difference(a.out, b.out), 2e-5 * (1 + greatest(a.out)));
    EXPECT_LT(difference(da, b.backward(dout).dq), 1e-4 * (1 + greatest(da)));
  }
}

TEST(TracedFormula, RefusesWhatIsNoMaskAndNoScore) {
  EXPECT_EQ(message_of<shape_error>([] { with_mask(traced([] { return whole_symbol(3); })); }),
            "mask: expected an answer of yes or no, as at.query >= at.key gives; found a number");
  EXPECT_EQ(
      message_of<shape_error>(
          [] { with_mask(traced_mask([](auto at) { return real(at.query) * 0.5 > real(at.key); })); }),
      "mask: expected whole numbers, so that whole tiles can be decided; write 2 * a < b for a < b * 0.5; found real "
      "numbers");
  EXPECT_EQ(message_of<shape_error>([] { with_score(traced_score([](auto, auto at) { return at.query > at.key; })); }),
            "score: expected a number; found a truth value or a whole number");
}

}  // namespace
}  // namespace qkv::traced
