// addition: "173+952=" -> "5211": the digits of the sum 1125 from the last to the first, the order in which they are
// worked out by hand, so that each is a matter of two digits and a carry (Lee et al. 2023, "Teaching arithmetic to small
// transformers").
#include "qkv/tasks/tasks.h"

namespace qkv {
namespace {

/// Digits of a number, the last first, `count` of them.
std::string digits_backwards(long number, long count) {
  std::string digits;
  for (long i = 0; i < count; ++i, number /= 10) digits += char('0' + number % 10);
  return digits;
}

std::string digits_of(long number, long count) {
  const std::string backwards = digits_backwards(number, count);
  return {backwards.rbegin(), backwards.rend()};
}

task_example example(draws& random, long length) {
  long end = 1;
  for (long i = 0; i < length; ++i) end *= 10;
  const long a = random.below(end), b = random.below(end);
  return {{digits_of(a, length) + "+" + digits_of(b, length) + "=", digits_backwards(a + b, length + 1)}};
}

}  // namespace

task addition_task() {
  return {.name = "addition",
          .what = "add two numbers; the digits of the sum from the last to the first",
          .of_length = "digits of each number",
          .characters = "0123456789+=",
          .length = 3,
          .shortest = 2,
          .longest = 17,
          .size_of = [](long length) { return 3 * length + 3; },
          .example = example};
}

}  // namespace qkv
