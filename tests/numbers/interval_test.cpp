// Intervals are never wrong: for all small ranges, what they say holds for every pair of numbers in them.
#include "qkv/numbers/interval.h"

#include <gtest/gtest.h>

#include "qkv/numbers/scalar.h"

namespace qkv {
namespace {

constexpr long most = 5;

/// f(range a, range b) for all ranges within -most .. most.
void each_pair_of_ranges(auto f) {
  for (long a0 = -most; a0 <= most; ++a0)
    for (long a1 = a0; a1 <= most; ++a1)
      for (long b0 = -most; b0 <= most; ++b0)
        for (long b1 = b0; b1 <= most; ++b1) f(interval(a0, a1), interval(b0, b1));
}

/// Every number that f gives on the ranges lies within the interval that f gives; with `tight`, its ends are reached.
void expect_sound(const char* name, auto f, bool tight) {
  each_pair_of_ranges([&](interval a, interval b) {
    const interval r = f(a, b);
    std::int64_t least = INT64_MAX, greatest = INT64_MIN;
    for (auto x = a.lo; x <= a.hi; ++x)
      for (auto y = b.lo; y <= b.hi; ++y) {
        const auto z = f(whole_scalar(x), whole_scalar(y)).v;
        least = std::min(least, z), greatest = std::max(greatest, z);
      }
    ASSERT_LE(r.lo, least) << name << " of " << a.lo << ".." << a.hi << " and " << b.lo << ".." << b.hi;
    ASSERT_GE(r.hi, greatest) << name << " of " << a.lo << ".." << a.hi << " and " << b.lo << ".." << b.hi;
    if (tight) {
      ASSERT_EQ(r.lo, least) << name << " of " << a.lo << ".." << a.hi << " and " << b.lo << ".." << b.hi;
      ASSERT_EQ(r.hi, greatest) << name << " of " << a.lo << ".." << a.hi << " and " << b.lo << ".." << b.hi;
    }
  });
}

/// The verdict is full only if the rule holds everywhere, empty only if nowhere; with `sharp`, whenever it is so.
void expect_verdicts(const char* name, auto rule, bool sharp) {
  each_pair_of_ranges([&](interval a, interval b) {
    const coverage c = rule(a, b);
    long holds = 0, all = 0;
    for (auto x = a.lo; x <= a.hi; ++x)
      for (auto y = b.lo; y <= b.hi; ++y) ++all, holds += rule(whole_scalar(x), whole_scalar(y)).v;
    const auto what = [&] {
      return std::string(name) + " of " + std::to_string(a.lo) + ".." + std::to_string(a.hi) + " and " +
             std::to_string(b.lo) + ".." + std::to_string(b.hi);
    };
    ASSERT_TRUE(!c.full() || holds == all) << what();
    ASSERT_TRUE(!c.empty() || holds == 0) << what();
    ASSERT_TRUE(!sharp || holds != all || c.full()) << what();
    ASSERT_TRUE(!sharp || holds != 0 || c.empty()) << what();
  });
}

TEST(Interval, ArithmeticIsSound) {
  expect_sound("sum", [](auto a, auto b) { return a + b; }, true);
  expect_sound("difference", [](auto a, auto b) { return a - b; }, true);
  expect_sound("product", [](auto a, auto b) { return a * b; }, true);
  expect_sound("negative", [](auto a, auto) { return -a; }, true);
  expect_sound("quotient", [](auto a, auto b) { return a / b; }, false);
  expect_sound("remainder", [](auto a, auto b) { return a % b; }, false);
  expect_sound("min", [](auto a, auto b) { return min(a, b); }, true);
  expect_sound("max", [](auto a, auto b) { return max(a, b); }, true);
  expect_sound("abs", [](auto a, auto) { return abs(a); }, true);
  expect_sound("select", [](auto a, auto b) { return select(a < b, a + 1, b - 1); }, false);
  expect_sound("select of literals", [](auto a, auto b) { return a * select(a < b, 1, 2); }, false);
  expect_sound("hash", [](auto a, auto b) { return hash(9, a, b); }, false);
}

TEST(Interval, QuotientsAndRemaindersByAPositiveConstantAreTight) {
  for (long n = 1; n <= 4; ++n) {
    expect_sound("quotient", [=](auto a, auto) { return a / n; }, true);
    expect_sound("remainder", [=](auto a, auto) { return a % n; }, false);
  }
  const interval within = interval(9, 11) % interval(8), across = interval(6, 9) % interval(8);
  EXPECT_EQ(within.lo, 1);
  EXPECT_EQ(within.hi, 3);
  EXPECT_EQ(across.lo, 0);
  EXPECT_EQ(across.hi, 7);
}

TEST(Interval, ComparisonsDecideWhateverIsDecided) {
  expect_verdicts("<", [](auto a, auto b) { return a < b; }, true);
  expect_verdicts("<=", [](auto a, auto b) { return a <= b; }, true);
  expect_verdicts(">", [](auto a, auto b) { return a > b; }, true);
  expect_verdicts(">=", [](auto a, auto b) { return a >= b; }, true);
  expect_verdicts("==", [](auto a, auto b) { return a == b; }, true);
  expect_verdicts("!=", [](auto a, auto b) { return a != b; }, true);
}

TEST(Interval, JoinedConditionsAreSound) {
  expect_verdicts("and", [](auto a, auto b) { return a < b && a + b > 2; }, false);
  expect_verdicts("or", [](auto a, auto b) { return a < b || a * b > 2; }, false);
  expect_verdicts("not", [](auto a, auto b) { return !(a <= b); }, true);
  expect_verdicts("window", [](auto a, auto b) { return abs(a - b) < 3; }, true);
  expect_verdicts("stripes", [](auto a, auto b) { return (a - b) % 3 == 0 || a / 2 == b / 2; }, false);
}

TEST(Interval, RemembersWhatItWasMadeFrom) {
  const interval query(0, 5, reads_query), key(0, 5, reads_key), head(0, 1, reads_head), batch(0, 1, reads_batch);
  EXPECT_EQ((query >= key).from, reads_query | reads_key);
  EXPECT_EQ((query + head < 3).from, reads_query | reads_head);
  EXPECT_EQ((!(query == batch)).from, reads_query | reads_batch);
  EXPECT_EQ((query < 3 && key < head).from, reads_query | reads_key | reads_head);
  EXPECT_EQ((query < 3 || key / batch == 0).from, reads_query | reads_key | reads_batch);
  EXPECT_EQ(select(head == 0, query, key).from, reads_query | reads_key | reads_head);
  EXPECT_EQ(hash(1, query, batch).from, reads_query | reads_batch);
  EXPECT_EQ((abs(key) % 3).from, reads_key);
  EXPECT_EQ(min(key, head).from, reads_key | reads_head);
  EXPECT_EQ((-(key * batch)).from, reads_key | reads_batch);
  EXPECT_EQ(interval(7).from, reads_nothing);
  EXPECT_EQ(coverage(true).from, reads_nothing);
}

TEST(Coverage, IsThreeValuedLogic) {
  const coverage yes(true), no(false), some(coverage::some);
  EXPECT_TRUE((yes && some).partial());
  EXPECT_TRUE((no && some).empty());
  EXPECT_TRUE((yes || some).full());
  EXPECT_TRUE((no || some).partial());
  EXPECT_TRUE((!some).partial());
  EXPECT_TRUE((!no).full());
  EXPECT_TRUE((yes & no).empty());
  EXPECT_TRUE((yes | no).full());
}

}  // namespace
}  // namespace qkv
