// Thousands of random attentions, the fused engine against the oracle.
//
//   QKV_CASE=1234 test_attention --gtest_filter='*RandomCompositions*'    repeats one case, and nothing else
//   QKV_CASES=100000                                                     tries more of them
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "qkv/base/instruction_set.h"
#include "qkv/base/threads.h"
#include "tests/attention/against_oracle.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

long number_from(const char* name, long otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? std::atol(value) : otherwise;
}

/// The smallest failing case that taking away leads to.
attention_case shrunk(attention_case c, workspace& w) {
  for (bool again = true; again;) {
    again = false;
    for (const attention_case& candidate : smaller(c))
      if (!complaint_about(candidate, w).empty()) {
        c = candidate;
        again = true;
        break;
      }
  }
  return c;
}

/// Fails the test with all there is to know.
void expect_no_complaint(std::uint64_t seed, workspace& w) {
  const attention_case c = random_case(seed);
  const std::string words = complaint_about(c, w);
  if (words.empty()) return;
  const attention_case least = shrunk(c, w);
  ADD_FAILURE() << "case " << seed << " on " << name_of(active_instruction_set()) << ": " << words << "\n  "
                << to_string(c) << "\nmade smaller: " << complaint_about(least, w) << "\n  " << to_string(least)
                << "\nrepeat it with  QKV_CASE=" << seed << " QKV_ISA=" << name_of(active_instruction_set())
                << " test_attention --gtest_filter='*RandomCompositions*'";
}

/// One test a set that this machine has.
class RandomCompositions : public EverySet {};

TEST_P(RandomCompositions, AgreeWithTheOracle) {
  workspace w;
  if (const long only = number_from("QKV_CASE", -1); only >= 0) return expect_no_complaint(std::uint64_t(only), w);
  // The widest set, which users have, gets most of the time.
  const long cases = number_from("QKV_CASES", GetParam() == widest_instruction_set() ? 2000 : 600);
  const long first = number_from("QKV_FIRST_CASE", 0);
  for (long n = first; n < first + cases && !HasFailure(); ++n) expect_no_complaint(std::uint64_t(n), w);
  std::cout << "cases " << first << " to " << first + cases - 1 << "\n";
}

QKV_ON_EVERY_SET(RandomCompositions);

}  // namespace
}  // namespace qkv
