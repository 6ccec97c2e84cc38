// Attention over the links of a graph: the same as attention whose mask is those links.
#include "qkv/attention/graph_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "qkv/base/threads.h"
#include "tests/attention/random_graph.h"
#include "tests/base/with_threads.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

std::string graph_complaint_about(const attention_case& c, workspace& w) {
  const graph_case g = graph_case_of(c);
  const attention_inputs x = inputs_of(c);
  return differences_in_words(c, run_graph(c, *g.rule, g.links, x, w), run_oracle(c, g.with_mask, x));
}

class GraphAttention : public EverySet {};

TEST_P(GraphAttention, AgreesWithTheOracleOnRandomCompositionsAndGraphs) {
  workspace w;
  const long cases = GetParam() == widest_instruction_set() ? 1500 : 400;
  for (long seed = 0; seed < cases && !HasFailure(); ++seed) {
    const attention_case c = random_case(std::uint64_t(seed));
    const auto words = complaint_about(c, [&](const attention_case& one) { return graph_complaint_about(one, w); });
    EXPECT_EQ(words, "") << "case " << seed << ": " << to_string(c);
  }
}

/// Results of one graph attention, as tensors.
struct given {
  tensor q = normal({2, 40, 6, 24}, 1, dtype::float32), k = normal({2, 50, 3, 24}, 2, dtype::float32),
         v = normal({2, 50, 3, 20}, 3, dtype::float32), dout = normal({2, 40, 6, 20}, 4, dtype::float32);
};
std::vector<edge> some_edges(std::uint64_t seed = 1) {
  dice d(seed);
  return random_edges(d, 40, 50);
}

std::vector<tensor> all_of(const graph_attention_run& run, const tensor& dout) {
  const auto g = run.backward(dout);
  std::vector<tensor> all{run.out, run.lse, g.dq, g.dk, g.dv};
  for (const auto& [handle, gradient] : g.learned) all.push_back(gradient);
  return all;
}
void expect_same_bits(const std::vector<tensor>& a, const std::vector<tensor>& b) {
  for (std::size_t n = 0; n < a.size(); ++n) {
    const auto x = a[n].values<float>(), y = b[n].values<float>();
    EXPECT_EQ(std::memcmp(x.data(), y.data(), x.size_bytes()), 0) << "result " << n;
  }
}

TEST_P(GraphAttention, EdgesInAnyOrderGiveTheSameBits) {
  const given x;
  std::vector<edge> edges = some_edges();
  const graph as_drawn(40, 50, edges);
  std::ranges::sort(edges,
                    [](const edge& a, const edge& b) { return std::pair(a.query, a.key) < std::pair(b.query, b.key); });
  const graph sorted(40, 50, edges);
  expect_same_bits(all_of(graph_attention_forward(x.q, x.k, x.v, as_drawn), x.dout),
                   all_of(graph_attention_forward(x.q, x.k, x.v, sorted), x.dout));
}

TEST_P(GraphAttention, AnyNumberOfThreadsGivesTheSameBits) {
  const given x;
  const tensor weights = normal({24}, 5, dtype::float32), slopes = normal({6}, 6, dtype::float32);
  const graph g(40, 50, some_edges());
  const auto results = [&] {
    return all_of(graph_attention_forward(x.q, x.k, x.v, g, additive(weights), alibi(slopes), sparsemax), x.dout);
  };
  const with_threads single(1);
  const auto one = results();
  for (int threads : {2, 3}) {
    set_thread_count(threads);
    expect_same_bits(one, results());
  }
}

TEST_P(GraphAttention, OfEveryLinkIsAttention) {
  const given x;
  std::vector<edge> edges;
  for (long i = 0; i < 40; ++i)
    for (long j = 0; j < 50; ++j) edges.push_back({i, j});
  EXPECT_LT(difference(graph_attention(x.q, x.k, x.v, graph(40, 50, edges), causal, softcap(5)),
                       attention(x.q, x.k, x.v, causal, softcap(5))),
            1e-5);
}

TEST_P(GraphAttention, OfNoEdgesGivesZeros) {
  const given x;
  const auto run = graph_attention_forward(x.q, x.k, x.v, graph(40, 50, {}));
  const auto g = run.backward(x.dout);
  for (const tensor& t : {run.out, g.dq, g.dk, g.dv})
    for (double e : values_of(t)) ASSERT_EQ(e, 0);
  for (double e : values_of(run.lse)) ASSERT_EQ(e, -infinity);
}

TEST_P(GraphAttention, NeverLooksAtAKeyWithoutAnEdge) {
  const given x;
  std::vector<edge> edges = some_edges();
  std::erase_if(edges, [](const edge& e) { return e.key == 7; });
  const graph g(40, 50, edges);
  const auto before = all_of(graph_attention_forward(x.q, x.k, x.v, g), x.dout);
  for (const tensor& t : {x.k, x.v}) t.slice(1, 7, 8).fill(NAN);
  expect_same_bits(before, all_of(graph_attention_forward(x.q, x.k, x.v, g), x.dout));
}

QKV_ON_EVERY_SET(GraphAttention);

// Velickovic et al. 2018, eq. 1 to 4: alpha_ij = softmax over j of LeakyReLU(a1 . W h_i + a2 . W h_j).  The two
// products are a query and a key of one channel.
TEST(GraphAttentionNetwork, IsASumOfTwoScoresUnderALeakySlope) {
  const graph neighbours(3, 3, {{0, 0}, {0, 1}, {1, 1}, {1, 2}, {2, 2}, {2, 0}, {2, 1}});
  const tensor of_query({1, 3, 1, 1}, {0.5, -1, 2}), of_key({1, 3, 1, 1}, {-1, 0.25, 1}),
      features({1, 3, 1, 1}, {1, 10, 100});
  const tensor out =
      graph_attention(of_query, of_key, features, neighbours, similarity([](auto q, auto k) { return q + k; }),
                      [](auto s, auto) { return max(s, 0.2 * s); });
  const auto leaky = [](double s) { return std::exp(s > 0 ? s : 0.2 * s); };
  const double a = leaky(0.5 - 1), b = leaky(0.5 + 0.25), c = leaky(-1 + 0.25), d = leaky(0);
  const double e = leaky(2 - 1), f = leaky(2.25), g = leaky(3);
  EXPECT_LT(difference(out, tensor({1, 3, 1, 1}, {(a * 1 + b * 10) / (a + b), (c * 10 + d * 100) / (c + d),
                                                  (e * 1 + f * 10 + g * 100) / (e + f + g)})),
            1e-4);
}

TEST(GraphAttentionErrors, SayWhichGraphDoesNotFit) {
  const given x;
  const graph fits(40, 50, {}), other(40, 49, {});
  const auto said = [&](const graphs& g) { return message_of([&] { graph_attention(x.q, x.k, x.v, g); }); };
  EXPECT_EQ(said(other),
            "graph attention: expected a graph of 40 queries and 50 keys for sequence 0; found one of 40 "
            "queries and 49 keys");
  EXPECT_EQ(said(std::vector{fits, other}),
            "graph attention: expected a graph of 40 queries and 50 keys for sequence 1; "
            "found one of 40 queries and 49 keys");
  EXPECT_EQ(said(std::vector{fits}),
            "graph attention: expected one graph, or one for each of 2 sequences; found 1 graphs");
  EXPECT_THAT(message_of([&] { graph_attention_forward(x.q, x.k, x.v, fits).backward(x.q); }),
              testing::HasSubstr("graph attention backward: expected dout [2, 40, 6, 20]"));
}

/// What scores look up is asked of edges, not of links that do not exist.
TEST(GraphAttentionErrors, AskWhatEdgesLookUp) {
  const given x;
  const tensor near({4}, {1, 2, 3, 4});
  const score by_distance{[](auto s, auto at, auto w) { return s + w[abs(at.row - at.key)]; }, near};
  const auto said = [&](std::initializer_list<edge> edges) {
    return message_of([&] { graph_attention(x.q, x.k, x.v, graph(40, 50, edges), by_distance); });
  };
  EXPECT_EQ(said({{0, 3}, {39, 40}}), "no exception");
  EXPECT_EQ(
      said({{0, 3}, {20, 24}}),
      "graph attention: expected parameter to have an index 4 on axis 0, where the link of query 20 and key 24 of "
      "head 0 looks; found [4]");
}

}  // namespace
}  // namespace qkv
