// What recording makes of a lambda: no value twice, constants worked out, kinds checked, places by extent.
#include "qkv/traced/program.h"

#include <gtest/gtest.h>

#include "qkv/base/error.h"
#include "qkv/traced/schedule.h"
#include "tests/base/message_of.h"
#include "tests/traced/symbols.h"

namespace qkv::traced {
namespace {

TEST(Program, RecordsAValueOnce) {
  const program p = traced_mask([](auto at) { return at.query - at.key < 5 && at.query - at.key >= 0; });
  EXPECT_EQ(to_string(p).find("subtract"), to_string(p).rfind("subtract")) << to_string(p);
}

TEST(Program, WorksOutWhatDependsOnNothing) {
  program p;
  const int seven = p.apply(opcode::add, p.whole(3), p.whole(4));
  EXPECT_EQ(seven, p.whole(7));
  const int key = p.given(opcode::key);
  EXPECT_EQ(p.apply(opcode::add, key, p.whole(0)), key);
  EXPECT_EQ(p.apply(opcode::multiply, key, p.whole(0)), p.whole(0));
  EXPECT_EQ(p.apply(opcode::divide, p.whole(-7), p.whole(2)), p.whole(-4));
}

TEST(Program, TellsZeroFromMinusZero) {
  program p;
  EXPECT_NE(p.real(0.0), p.real(-0.0));
}

TEST(Program, RefusesTruthAmongNumbers) {
  program p;
  const int yes = p.truth(true), key = p.given(opcode::key);
  EXPECT_EQ(message_of<shape_error>([&] { p.apply(opcode::add, yes, key); }),
            "traced add: expected numbers (select(condition, 1, 0) makes one of a truth value); found a truth value");
  EXPECT_EQ(message_of<shape_error>([&] { p.apply(opcode::both, yes, key); }),
            "traced both: expected truth values, such as at.query >= at.key; found a whole number");
  EXPECT_EQ(message_of<shape_error>([&] { p.select(key, yes, yes); }),
            "traced select: expected a condition, such as at.query >= at.key; found a whole number");
  EXPECT_EQ(message_of<shape_error>([&] { p.apply(opcode::remainder, key, p.real(2)); }),
            "traced remainder: expected whole numbers; found a real number");
}

TEST(Program, RefusesWholeNumbersBeyond32Bits) {
  program p;
  EXPECT_EQ(message_of<shape_error>([&] { p.whole(1ll << 31); }),
            "traced program: expected whole numbers of 32 bits; found 2147483648");
}

TEST(Program, RefusesALookupOfTheWrongRank) {
  program p;
  const int at[] = {p.given(opcode::head)};
  EXPECT_EQ(message_of<shape_error>([&] {
              p.learned_entry(0, {2, 3}, at);
            }),
            "attention: expected parameter of as many axes as it is looked up by, 1; found [2, 3]");
}

TEST(Program, RefusesAProgramWithoutEnd) {
  program p;
  int x = p.given(opcode::score);
  EXPECT_THROW(for (int n = 0; n < 5000; ++n) x = p.apply(opcode::add, x, p.real(n)), shape_error);
}

TEST(Schedule, ComputesOnceWhatATileSharesAndDropsWhatNobodyNeeds) {
  program p = traced_score([](auto s, auto at) { return s + (at.head * 3) + (at.key % 5) + (at.query / 7); });
  p.given(opcode::batch);
  const schedule s = make_schedule(p);
  std::array<int, 4> count{};
  for (const scheduled& step : s.steps) {
    ++count[step.along];
    EXPECT_NE(step.what.code, opcode::batch);
  }
  EXPECT_GT(count[one], 0);
  EXPECT_GT(count[along_keys], 0);
  EXPECT_GT(count[along_rows], 0);
  EXPECT_LE(count[everywhere], 4);  // the score and three sums
}

TEST(Schedule, HandsOnThePlacesOfValuesOfEveryLink) {
  const program p = traced_score([](auto s, auto) { return tanh(tanh(tanh(tanh(tanh(tanh(s)))))); });
  const schedule s = make_schedule(p);
  EXPECT_LE(s.room, 3 * block_links);
  EXPECT_GE(s.own_room, 6 * block_links);
}

}  // namespace
}  // namespace qkv::traced
