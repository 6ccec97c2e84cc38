// Runs a test once for every instruction set that this machine has.
#pragma once
#include <gtest/gtest.h>

#include "qkv/base/instruction_set.h"

namespace qkv {

class EverySet : public testing::TestWithParam<instruction_set> {
 protected:
  void SetUp() override {
    was_ = active_instruction_set();
    if (GetParam() > widest_instruction_set()) GTEST_SKIP() << "this machine has no " << name_of(GetParam());
    use_instruction_set(GetParam());
  }
  void TearDown() override { use_instruction_set(was_); }

 private:
  instruction_set was_{};
};

inline std::string name_of_set(const testing::TestParamInfo<instruction_set>& info) { return name_of(info.param); }

}  // namespace qkv

/// Instantiates the TEST_Ps of a class derived from EverySet.
#define QKV_ON_EVERY_SET(suite)                                                                                        \
  INSTANTIATE_TEST_SUITE_P(Sets, suite,                                                                                \
                           testing::Values(instruction_set::portable, instruction_set::avx2, instruction_set::avx512), \
                           name_of_set)
