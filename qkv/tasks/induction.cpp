// induction: random letters, all different, that repeat until the text is full; what comes next is what came next the
// last time (Olsson et al. 2022, "In-context learning and induction heads").  How soon they repeat differs from text to
// text, so that no fixed distance helps, and is more often soon than late, because that is learned first.
#include <algorithm>

#include "qkv/tasks/tasks.h"

namespace qkv {
namespace {

const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

task_example example(draws& random, long length) {
  const long period = random.between(4, random.between(4, std::min(length / 2, long(letters.size()))));
  const auto order = random.different(period, long(letters.size()));
  std::string text;
  for (long i = 0; i < length; ++i) text += letters[std::size_t(order[std::size_t(i % period)])];
  const auto known = std::size_t(period + 1);  // nothing tells that the first letter will come again
  return {{text.substr(0, known), text.substr(known)}};
}

}  // namespace

task induction_task() {
  return {.name = "induction",
          .what = "go on with a sequence of letters that repeats",
          .of_length = "letters of an example",
          .characters = letters,
          .length = 64,
          .shortest = 10,
          .longest = 1024,
          .size_of = [](long length) { return length; },
          .example = example};
}

}  // namespace qkv
