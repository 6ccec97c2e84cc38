// copy: "qwerty=" -> "qwerty".  Where a letter stands decides who looks at it, not what it is.
#include "qkv/tasks/tasks.h"

namespace qkv {
namespace {

const std::string letters = "abcdefghijklmnopqrstuvwxyz";

task_example example(draws& random, long length) {
  std::string word;
  for (long n = random.between(1, length); n > 0; --n) word += random.letter_of(letters);
  return {{word + "=", word + "\n"}};
}

}  // namespace

task copy_task() {
  return {.name = "copy",
          .what = "say a word of random letters again",
          .of_length = "letters of the longest word",
          .characters = letters + "=\n",
          .length = 8,
          .shortest = 4,
          .longest = 512,
          .size_of = [](long length) { return 2 * length + 2; },
          .example = example};
}

}  // namespace qkv
