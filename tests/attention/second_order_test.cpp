// Second-order gradients: the oracle's are what their definition says, and the fused engine's are the oracle's.
#include "qkv/attention/second_order.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/attention/against_oracle.h"
#include "tests/base/with_threads.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

attention_cotangents cotangents_for(const attention_inputs& x, std::uint64_t seed, dtype type = dtype::float32) {
  return {normal(x.q.shape(), seed + 11, type), normal(x.k.shape(), seed + 12, type),
          normal(x.v.shape(), seed + 13, type)};
}

/// Calls f(name, tensor) for each result.
void each_of(const attention_second_gradients& g, const std::function<void(const std::string&, const tensor&)>& f) {
  f("dq", g.dq), f("dk", g.dk), f("dv", g.dv), f("ddout", g.ddout);
}

// ---- The oracle, by its definition: L changes with every single number as the gradient says.

struct small_problem {
  tensor q = normal({1, 4, 2, 3}, 1), k = normal({1, 5, 1, 3}, 2), v = normal({1, 5, 1, 2}, 3);
  tensor dout = normal({1, 4, 2, 2}, 4);
  attention_cotangents given{normal({1, 4, 2, 3}, 5), normal({1, 5, 1, 3}, 6), normal({1, 5, 1, 2}, 7)};
};

double loss_of_gradients(const attention_gradients& g, const attention_cotangents& c) {
  return product_sum(g.dq, c.dq) + product_sum(g.dk, c.dk) + product_sum(g.dv, c.dv);
}

template <class... Parts>
void expect_oracle_is_the_derivative(const Parts&... parts) {
  const small_problem x;
  const auto run = [&] { return oracle::attention_forward(x.q, x.k, x.v, parts...); };
  const auto found = run().second_order(x.dout, x.given);
  const auto expect_of = [&](const char* name, const tensor& at, const tensor& gradient) {
    const auto numbers = at.values<double>();
    for (std::size_t n = 0; n < numbers.size(); ++n) {
      const double was = numbers[n], step = 1e-4;
      const auto loss_at = [&](double places) {
        numbers[n] = was + places * step;
        const double loss = loss_of_gradients(run().backward(x.dout), x.given);
        numbers[n] = was;
        return loss;
      };
      const double slope = (8 * (loss_at(1) - loss_at(-1)) - loss_at(2) + loss_at(-2)) / (12 * step);
      EXPECT_NEAR(gradient.values<double>()[n], slope, 1e-8 * (1 + std::abs(slope))) << name << " " << n;
    }
  };
  expect_of("q", x.q, found.dq), expect_of("k", x.k, found.dk), expect_of("v", x.v, found.dv);
  expect_of("dout", x.dout, found.ddout);
  for (const auto& [learned, gradient] : found.learned) expect_of("learned", learned, gradient);
}

TEST(OracleSecondOrder, IsTheDerivativeOfTheGradients) { expect_oracle_is_the_derivative(); }
TEST(OracleSecondOrder, IsSoUnderAMask) { expect_oracle_is_the_derivative(causal, scale(0.7)); }
TEST(OracleSecondOrder, IsSoForScoresThatLearn) {
  expect_oracle_is_the_derivative(additive_bias(normal({1, 2, 4, 5}, 9)), softcap(2));
}
TEST(OracleSecondOrder, IsSoForOtherSimilaritiesAndWeightings) {
  expect_oracle_is_the_derivative(cosine, sigmoid_weights());
  expect_oracle_is_the_derivative(negative_squared_distance, softmax_with_sink(normal({2}, 8)));
}

TEST(OracleSecondOrder, TakesCotangentsThatAreLeftOutAsZeros) {
  const small_problem x;
  const auto run = oracle::attention_forward(x.q, x.k, x.v, causal);
  const auto some = run.second_order(x.dout, {.dk = x.given.dk});
  const auto all = run.second_order(x.dout, {tensor(x.q.shape()), x.given.dk, tensor(x.v.shape())});
  EXPECT_EQ(difference(some.dq, all.dq), 0);
  EXPECT_EQ(difference(some.ddout, all.ddout), 0);
  EXPECT_EQ(product_sum(run.second_order(x.dout, {}).dq, x.q), 0);
}

// ---- The fused engine.

/// Any sizes, layout, alignment, strides and mask; the plain softmax of scaled dot products.
attention_case plain_case(std::uint64_t seed) {
  attention_case c = random_case(seed);
  c.scores.clear();
  c.similar = c.weighing = {};
  c.poisoned = poison::nothing;
  c.size = std::min(c.size, 10.), c.shift = 0;
  return c;
}

attention_second_gradients run_second_order(const attention_case& c, const attention_inputs& x,
                                            const attention_cotangents& given) {
  return attention_forward_with(formula_of(c), x.q, x.k, x.v, c.align, c.ragged()).second_order(x.dout, given);
}

std::string complaint_about_second_order(const attention_case& c, const attention_inputs& x,
                                         const attention_cotangents& given) {
  const attention_second_gradients found = run_second_order(c, x, given);
  const auto expected =
      oracle::attention_run(formula_of(c), x.q, x.k, x.v, c.align, c.ragged()).second_order(x.dout, given);
  std::vector<tensor> all;
  each_of(expected, [&](const std::string&, const tensor& t) { all.push_back(t); });
  std::string words;
  std::size_t n = 0;
  const double places = double(c.group * c.extent(c.query_side) + c.extent(c.key_side));
  each_of(found, [&](const std::string& name, const tensor& t) {
    const std::string one = difference_in_words(name, t, all[n++], {1, 3e-5 * c.size * (2 + places / 50)});
    if (!one.empty()) words += "\n  " + one;
  });
  return words;
}

class SecondOrder : public EverySet {};

TEST_P(SecondOrder, AgreesWithTheOracleUnderRandomMasksInRandomLayouts) {
  const long cases = GetParam() == widest_instruction_set() ? 60 : 25;
  for (long seed = 0, n = 0; n < cases; ++seed) {
    const attention_case c = plain_case(std::uint64_t(seed));
    if (c.work() > 4e6) continue;  // the oracle passes eight times
    ++n;
    const attention_inputs x = inputs_of(c);
    const std::string words = complaint_about_second_order(c, x, cotangents_for(x, c.seed));
    EXPECT_EQ(words, "") << to_string(c);
    if (HasFailure()) return;
  }
}

TEST_P(SecondOrder, CrossesBlocksOfOddSizes) {
  for (const auto& [queries, keys] : {std::pair{97L, 193L}, {191L, 95L}, {1L, 200L}, {200L, 1L}, {96L, 96L}}) {
    attention_case c{.seed = 3};
    c.lengths = {{queries, keys}};
    c.key_heads = 2, c.group = 3, c.channels = 19, c.values = 7;
    c.mask = {{mask_tree::all, {0, 0}}};  // causal
    const attention_inputs x = inputs_of(c);
    EXPECT_EQ(complaint_about_second_order(c, x, cotangents_for(x, 3)), "") << to_string(c);
  }
}

TEST_P(SecondOrder, FollowsAMaskAlongTheOtherDiagonal) {  // later keys live for earlier queries
  const tensor q = normal({1, 110, 1, 8}, 1, dtype::float32), k = normal({1, 110, 1, 8}, 2, dtype::float32);
  const auto links = [](auto at) { return at.query + at.key >= 100 && at.query + at.key < 130; };
  const auto found = attention_forward(q, k, k, links).second_order(q, {k, q, k});
  const auto expected = oracle::attention_forward(q, k, k, links).second_order(q, {k, q, k});
  std::vector<tensor> all;
  each_of(expected, [&](const std::string&, const tensor& t) { all.push_back(t); });
  std::size_t n = 0;
  each_of(found, [&](const std::string& name, const tensor& t) {
    EXPECT_EQ(difference_in_words(name, t, all[n++], {1, 1e-4}), "");
  });
}

TEST_P(SecondOrder, IsTheDerivativeOfTheFusedBackwardPass) {
  const tensor q = normal({1, 30, 2, 8}, 1, dtype::float32), k = normal({1, 40, 1, 8}, 2, dtype::float32),
               v = normal({1, 40, 1, 8}, 3, dtype::float32), dout = normal({1, 30, 2, 8}, 4, dtype::float32);
  const attention_cotangents c{normal(q.shape(), 5, dtype::float32), normal(k.shape(), 6, dtype::float32),
                               normal(v.shape(), 7, dtype::float32)};
  const auto second = attention_forward(q, k, v, causal).second_order(dout, c);
  const auto loss_at = [&](const tensor& qs) {
    return loss_of_gradients(attention_forward(qs, k, v, causal).backward(dout), c);
  };
  const tensor along = normal(q.shape(), 8, dtype::float32), more = q.clone(), less = q.clone();
  const float step = 0.01f;
  for (long n = 0; n < q.size(); ++n) {
    more.data<float>()[n] += step * along.data<float>()[n];
    less.data<float>()[n] -= step * along.data<float>()[n];
  }
  const double slope = (loss_at(more) - loss_at(less)) / (2 * double(step));
  EXPECT_NEAR(product_sum(second.dq, along), slope, 0.02 * (1 + std::abs(slope)));
}

TEST_P(SecondOrder, TakesCotangentsThatAreLeftOutAsZeros) {
  attention_case c{.seed = 5};
  c.lengths = {{50, 70}};
  c.channels = 16, c.values = 24;
  const attention_inputs x = inputs_of(c);
  const attention_cotangents all = cotangents_for(x, 5);
  for (int which = 0; which < 8; ++which) {
    const attention_cotangents some{which & 1 ? all.dq : tensor(), which & 2 ? all.dk : tensor(),
                                    which & 4 ? all.dv : tensor()};
    EXPECT_EQ(complaint_about_second_order(c, x, some), "") << which;
  }
}

TEST_P(SecondOrder, OfAQueryWithoutALinkIsZero) {
  const tensor x = normal({1, 20, 1, 8}, 1, dtype::float32);
  const auto links = [](auto at) { return at.query > 9 && at.key < 15; };
  const auto g = attention_forward(x, x, x, links).second_order(x, {x, x, x});
  for (long i = 0; i < 20; ++i)
    for (long c = 0; c < 8; ++c) {
      EXPECT_EQ(g.dq.at<float>(0, i, 0, c) == 0 && g.ddout.at<float>(0, i, 0, c) == 0, i < 10) << i;
      EXPECT_EQ(g.dk.at<float>(0, i, 0, c) == 0 && g.dv.at<float>(0, i, 0, c) == 0, i >= 15) << i;
    }
  const auto none = attention_forward(x, x, x, [](auto at) { return at.query < 0; }).second_order(x, {x, x, x});
  each_of(none, [](const std::string& name, const tensor& t) {
    EXPECT_EQ(difference(t, tensor(t.shape())), 0) << name;
  });
}

TEST_P(SecondOrder, NaNInMaskedPlacesLeavesNoTrace) {
  attention_case c{.seed = 9};
  c.lengths = {{130, 130}};
  c.group = 2, c.channels = 20, c.values = 12;
  c.mask = {{mask_tree::all, {0, 0}}};  // causal
  const attention_inputs x = inputs_of(c);
  attention_cotangents given = cotangents_for(x, 9);
  const long seen = 100;  // the last keys, which only the last queries see
  // Zeros there, and then NaN: the other places do not notice.
  const auto fill = [&](const tensor& t, float with) {
    for (long i = seen; i < 130; ++i)
      for (long h = 0; h < t.dim(2); ++h)
        for (long e = 0; e < t.dim(3); ++e) t.at<float>(0, i, h, e) = with;
  };
  for (const tensor& t : {x.k, x.v, given.dk, given.dv}) fill(t, 0);
  const attention_second_gradients expected = run_second_order(c, x, given);
  for (const tensor& t : {x.k, x.v, given.dk, given.dv}) fill(t, NAN);
  const attention_second_gradients found = run_second_order(c, x, given);
  EXPECT_LT(difference(found.dq.slice(1, 0, seen), expected.dq.slice(1, 0, seen)), 1e-4);
  EXPECT_LT(difference(found.ddout.slice(1, 0, seen), expected.ddout.slice(1, 0, seen)), 1e-4);
  EXPECT_TRUE(std::isnan(found.dq.at<float>(0, seen, 0, 0)));
  // Queries that nobody may use say nothing to the keys.
  attention_case blind = c;
  blind.mask.clear();
  const auto early = [&](const attention_inputs& y) {
    return attention_forward(y.q, y.k, y.v, [](auto at) { return at.query < 100 && at.key < 100; })
        .second_order(y.dout, given);
  };
  attention_inputs y = inputs_of(blind);
  given = cotangents_for(y, 9);
  const attention_second_gradients clean = early(y);
  for (const tensor& t : {y.q, y.k, y.v, y.dout, given.dq, given.dk, given.dv}) fill(t, NAN);
  const attention_second_gradients dirty = early(y);
  std::vector<tensor> all;
  each_of(clean, [&](const std::string&, const tensor& t) { all.push_back(t); });
  std::size_t n = 0;
  each_of(dirty, [&](const std::string& name, const tensor& t) { EXPECT_LT(difference(t, all[n++]), 1e-4) << name; });
}

TEST_P(SecondOrder, StridesDoNotChangeTheBits) {
  attention_case c{.seed = 21};
  c.how = sequences::padded_, c.lengths = {{70, 50}, {33, 120}};
  c.key_heads = 2, c.group = 2, c.channels = 18, c.values = 10;
  const attention_second_gradients dense = run_second_order(c, inputs_of(c), cotangents_for(inputs_of(c), 21));
  c.stored = {storage::heads_first, storage::fused, storage::gaps,  storage::fused,
              storage::time_first,  storage::gaps,  storage::fused, storage::heads_first};
  const attention_inputs x = inputs_of(c);
  attention_cotangents given = cotangents_for(x, 21);
  given = {stored(given.dq, storage::gaps), stored(given.dk, storage::time_first), stored(given.dv, storage::fused)};
  const attention_run done = attention_forward_with(formula_of(c), x.q, x.k, x.v, c.align, c.ragged());
  attention_second_gradients strided;
  strided.dq = stored(x.q.shape(), c.stored[5], NAN), strided.dk = stored(x.k.shape(), c.stored[6], NAN);
  strided.dv = stored(x.v.shape(), c.stored[7], NAN), strided.ddout = stored(x.dout.shape(), c.stored[3], NAN);
  workspace w;
  attention_second_order_into(
      *formula_of(c),
      {x.q.view<const float, 4>(), x.k.view<const float, 4>(), x.v.view<const float, 4>(), c.align, c.ragged()},
      done.out.view<const float, 4>(), done.lse.view<const float, 3>(), x.dout.view<const float, 4>(),
      {given.dq.view<const float, 4>(), given.dk.view<const float, 4>(), given.dv.view<const float, 4>()},
      {strided.dq.view<float, 4>(), strided.dk.view<float, 4>(), strided.dv.view<float, 4>(),
       strided.ddout.view<float, 4>()},
      w);
  std::vector<tensor> all;
  each_of(dense, [&](const std::string&, const tensor& t) { all.push_back(t); });
  std::size_t n = 0;
  each_of(strided, [&](const std::string& name, const tensor& t) { EXPECT_EQ(difference(t, all[n++]), 0) << name; });
}

TEST_P(SecondOrder, AnyNumberOfThreadsGivesTheSameBits) {
  const with_threads as_before;
  for (std::uint64_t seed = 300; seed < 306; ++seed) {
    const attention_case c = plain_case(seed);
    const attention_inputs x = inputs_of(c);
    const attention_cotangents given = cotangents_for(x, seed);
    std::vector<tensor> first;
    for (int count : {1, 2, 3}) {
      set_thread_count(count);
      std::size_t n = 0;
      each_of(run_second_order(c, x, given), [&](const std::string& name, const tensor& t) {
        if (count == 1) return first.push_back(t);
        const auto a = first[n++].values<float>(), b = t.values<float>();
        EXPECT_TRUE(a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0) << name << " " << to_string(c);
      });
    }
  }
}

QKV_ON_EVERY_SET(SecondOrder);

// ---- What is refused, in words.

template <class... Parts>
std::string refusal_of(const Parts&... parts) {
  const tensor x = normal({1, 6, 2, 4}, 1, dtype::float32);
  return message_of<unsupported_error>([&] { attention_forward(x, x, x, parts...).second_order(x, {x, x, x}); });
}

TEST(SecondOrderErrors, NameThePartAndTheWayOut) {
  const std::string end = " not fused; oracle::second_order differentiates every formula twice";
  EXPECT_EQ(refusal_of(cosine), "attention second order: the similarity `cosine` is" + end);
  EXPECT_EQ(refusal_of(negative_squared_distance),
            "attention second order: the similarity `negative_squared_distance` is" + end);
  EXPECT_EQ(refusal_of(softcap(3)), "attention second order: scores (a cap, a bias, a lambda) are" + end);
  EXPECT_EQ(refusal_of(sparsemax), "attention second order: the weighting `sparsemax` is" + end);
  EXPECT_EQ(refusal_of(top_k(2)), "attention second order: the weighting `top_k` is" + end);
  EXPECT_EQ(refusal_of(softmax_with_sink(tensor({2}))),
            "attention second order: the weighting `softmax_with_sink` is" + end);
  EXPECT_EQ(refusal_of(attention_dropout(0.5, 1)), "attention second order: dropout is" + end);
  EXPECT_EQ(refusal_of(causal, scale(2)), "no exception");
  const tensor x = normal({1, 6, 2, 4}, 1, dtype::float32), narrow = x.to(dtype::bfloat16);
  EXPECT_EQ(message_of<unsupported_error>([&] { attention_forward(x, narrow, narrow).second_order(x, {}); }),
            "attention second order: expected keys and values of type float32; found narrow ones (bfloat16 or int8), "
            "which the forward pass alone takes");
}

TEST(SecondOrderErrors, NameTheTensorThatDoesNotFit) {
  const tensor x = normal({1, 6, 2, 4}, 1, dtype::float32), other({1, 5, 2, 4});
  const auto run = attention_forward(x, x, x);
  const auto said = [&](const tensor& dout, const attention_cotangents& c) {
    return message_of([&] { run.second_order(dout, c); });
  };
  EXPECT_EQ(said(other, {}), "attention second order: expected dout [1, 6, 2, 4]; found [1, 5, 2, 4]");
  EXPECT_EQ(said(x, {.dk = other}),
            "attention second order: expected the cotangent of dk [1, 6, 2, 4]; found [1, 5, 2, 4]");
  EXPECT_EQ(said(x, {.dv = tensor({6, 2, 4})}),
            "attention second order: expected the cotangent of dv [B, S, G, E]; found the cotangent of dv [6, 2, 4]");
  EXPECT_EQ(message_of<unsupported_error>([&] { run.second_order(x, {.dq = x.to(dtype::float64)}); }),
            "attention second order: expected the cotangent of dq of type float32; found float64; convert it with "
            ".to(dtype::float32)");
  const auto exact = oracle::attention_forward(x, x, x);
  EXPECT_EQ(message_of([&] { exact.second_order(x, {.dq = other}); }),
            "oracle attention second order: expected the cotangent of dq [1, 6, 2, 4]; found [1, 5, 2, 4]");
}

TEST(SecondOrderErrors, ResultsHaveMemoryOfTheirOwn) {
  const tensor x = normal({1, 6, 2, 4}, 1, dtype::float32), dq(x.shape()), dk(x.shape()), dv(x.shape());
  const auto run = attention_forward(x, x, x);
  const auto v = x.view<const float, 4>();
  workspace w;
  EXPECT_EQ(message_of([&] {
              attention_second_order_into(*make_formula(), {v, v, v}, run.out.view<const float, 4>(),
                                          run.lse.view<const float, 3>(), v, {v, {}, {}},
                                          {dq.view<float, 4>(), dk.view<float, 4>(), dv.view<float, 4>(),
                                           dq.view<float, 4>()},
                                          w);
            }),
            "attention second order: expected ddout in memory of its own; found memory of dq");
}

}  // namespace
}  // namespace qkv
