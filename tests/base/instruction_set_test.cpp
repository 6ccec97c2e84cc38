#include "qkv/base/instruction_set.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "qkv/base/error.h"

namespace qkv {
namespace {

TEST(InstructionSet, IsNeverWiderThanTheMachine) { EXPECT_LE(active_instruction_set(), widest_instruction_set()); }

TEST(InstructionSet, CanBeLoweredAndRaisedAgain) {
  const instruction_set before = active_instruction_set();
  use_instruction_set(instruction_set::portable);
  EXPECT_EQ(active_instruction_set(), instruction_set::portable);
  use_instruction_set(widest_instruction_set());
  EXPECT_EQ(active_instruction_set(), widest_instruction_set());
  use_instruction_set(before);
}

TEST(InstructionSet, IsRefusedWhenTheMachineLacksIt) {
  if (widest_instruction_set() == instruction_set::avx512) GTEST_SKIP() << "this machine has every instruction set";
  EXPECT_THROW(use_instruction_set(instruction_set::avx512), unsupported_error);
}

TEST(InstructionSet, HasAName) {
  EXPECT_STREQ(name_of(instruction_set::portable), "portable");
  EXPECT_STREQ(name_of(instruction_set::avx2), "avx2");
  EXPECT_STREQ(name_of(instruction_set::avx512), "avx512");
}

// The variable is read once, so this runs in a process of its own.
void exit_with_set(const char* word) {
  setenv("QKV_ISA", word, 1);
  try {
    std::fprintf(stderr, "set %s\n", name_of(active_instruction_set()));
  } catch (const unsupported_error& e) {
    std::fprintf(stderr, "%s\n", e.what());
  }
  std::_Exit(0);
}

TEST(InstructionSetDeathTest, FollowsTheVariableAndRefusesOtherWords) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(exit_with_set("portable"), testing::ExitedWithCode(0), "^set portable");
  EXPECT_EXIT(exit_with_set("fast"), testing::ExitedWithCode(0), "QKV_ISA: expected one of portable.*; found \"fast\"");
}

}  // namespace
}  // namespace qkv
