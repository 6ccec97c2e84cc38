// Lookups outside of tables and learned tensors are errors at the door, as with compiled lambdas.
#include <gtest/gtest.h>

#include "qkv/attention/attention.h"
#include "qkv/traced/ready_parts.h"
#include "qkv/traced/traced_formula.h"
#include "tests/attention/tensors.h"
#include "tests/base/message_of.h"
#include "tests/traced/symbols.h"

namespace qkv::traced {
namespace {

std::string refusal(const std::shared_ptr<const formula>& f) {
  const tensor q = normal({1, 5, 4, 8}, 1, dtype::float32), k = normal({1, 9, 4, 8}, 2, dtype::float32);
  return message_of<shape_error>([&] { attention_forward_with(f, q, k, k); });
}
std::shared_ptr<const formula> traced_with(std::optional<program> mask, std::optional<program> score,
                                           std::vector<parameter> learned = {}) {
  return make_traced_formula({.similarity = {similarity_named("dot"), {}, {}},
                              .weighting = {weighting_named("softmax"), {}},
                              .mask = std::move(mask),
                              .score = std::move(score),
                              .learned = std::move(learned)});
}

TEST(TracedLookups, OutsideOfALearnedTensorAreRefusedAsInACompiledScore) {
  const tensor slopes = normal({3}, 5, dtype::float32), ahead = normal({5}, 6, dtype::float32);
  const auto by_head = [](auto s, auto at, auto slope) { return s * slope[at.head]; };
  const auto by_distance = [](auto s, auto at, auto table) { return s + table[at.key - at.query]; };
  for (const auto& [compiled, interpreted] :
       {std::pair(make_formula(score{by_head, slopes}),
                  traced_with({}, traced_score(by_head, learned_symbol{0, {3}}), {{slopes, "parameter"}})),
        std::pair(make_formula(score{by_distance, ahead}),
                  traced_with({}, traced_score(by_distance, learned_symbol{0, {5}}), {{ahead, "parameter"}}))}) {
    EXPECT_NE(refusal(compiled), "no exception");
    EXPECT_EQ(refusal(interpreted), refusal(compiled));
  }
}

TEST(TracedLookups, ThatAConditionLeavesOutMayStandAnywhere) {
  const tensor near = normal({3}, 5, dtype::float32);
  const auto rule = [](auto s, auto at, auto table) {
    const auto d = abs(at.query - at.key);
    return select(d < 3, s + table[d], s);
  };
  EXPECT_EQ(refusal(traced_with({}, traced_score(rule, learned_symbol{0, {3}}), {{near, "parameter"}})),
            "no exception");
}

TEST(TracedLookups, OutsideOfAnArrayAreRefusedByItsName) {
  const tensor heights = normal({3}, 5, dtype::float32);
  const auto by_head = [](auto s, auto at, auto table) { return select(table[at.head] > 0, s, -s); };
  EXPECT_EQ(refusal(traced_with({}, traced_score(by_head, array_symbol{heights, "heights"}))),
            "attention: expected heights to have an index 3 on axis 0, where the link of query 0 and key 0 of head 3 "
            "looks; found [3]");
  const auto near = [](auto s, auto at, auto table) { return select(at.head < 3, s + table[at.head], s); };
  EXPECT_EQ(refusal(traced_with({}, traced_score(near, array_symbol{heights, "heights"}))), "no exception");
}

TEST(TracedLookups, OfATableThatAChoiceLeavesOutMayStandAnywhere) {
  const table ids({1, 2, 3});
  const auto f = traced_with(traced([&] {
                               const int t = recording->keep(ids), row = recording->whole(0),
                                         key = recording->given(opcode::key), none = recording->whole(2),
                                         inside = recording->apply(opcode::less, key, recording->whole(3)),
                                         id = recording->table_entry(t, row, key);
                               return whole_symbol::numbered(recording->select(inside, id, none)) == 2;
                             }),
                             {});
  EXPECT_EQ(refusal(f), "no exception");
}

TEST(TracedLookups, OfATableThatIsTooShortAreRefused) {
  const table ids({1, 2, 3});
  const auto f = traced_with(traced([&] {
                               const int t = recording->keep(ids), row = recording->whole(0),
                                         key = recording->given(opcode::key);
                               return whole_symbol::numbered(recording->table_entry(t, row, key)) == 2;
                             }),
                             {});
  EXPECT_EQ(refusal(f), refusal(make_formula(mask{[=](auto at) { return ids[at.key] == 2; }})));
}

}  // namespace
}  // namespace qkv::traced
