// graph: edges in any order become two sorted lists; mistakes are told in words.
#include "qkv/attention/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/attention/tensors.h"

namespace qkv {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Graph, ListsEdgesByQueryAndByKey) {
  const graph g(3, 4, {{2, 3}, {0, 1}, {2, 0}, {0, 0}, {2, 1}});
  EXPECT_EQ(g.queries(), 3);
  EXPECT_EQ(g.keys(), 4);
  EXPECT_EQ(g.edges(), 5);
  EXPECT_EQ(g.most_keys(), 3);
  EXPECT_THAT(g.sorted().first_of_query, ElementsAre(0, 2, 2, 5));
  EXPECT_THAT(g.sorted().key, ElementsAre(0, 1, 0, 1, 3));
  EXPECT_THAT(g.sorted().first_of_key, ElementsAre(0, 2, 4, 4, 5));
  EXPECT_THAT(g.sorted().query, ElementsAre(0, 2, 0, 2, 2));
  EXPECT_THAT(g.sorted().number, ElementsAre(0, 2, 1, 3, 4));
}

TEST(Graph, MayBeEmpty) {
  const graph none(2, 3, {}), nothing(0, 0, {});
  EXPECT_EQ(none.edges(), 0);
  EXPECT_EQ(none.most_keys(), 0);
  EXPECT_EQ(nothing.queries(), 0);
}

TEST(Graph, SaysWhichEdgeIsOutside) {
  EXPECT_EQ(message_of([] {
              graph(2, 3, {{0, 1}, {2, 1}});
            }),
            "graph: expected edges from queries 0 to 1 to keys 0 to 2; found an edge from query 2 to key 1");
  EXPECT_THAT(message_of([] { graph(2, 3, {{0, -1}}); }), HasSubstr("found an edge from query 0 to key -1"));
  EXPECT_EQ(message_of([] { graph(-1, 3, {}); }), "graph: expected queries from 0 to 1073741824; found -1");
}

TEST(Graph, RefusesAnEdgeGivenTwice) {
  EXPECT_EQ(message_of([] {
              graph(2, 3, {{1, 2}, {0, 0}, {1, 2}});
            }),
            "graph: expected each edge once; found an edge from query 1 to key 2 twice");
}

}  // namespace
}  // namespace qkv
