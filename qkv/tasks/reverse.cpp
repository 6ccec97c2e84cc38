// reverse: "qwerty=" -> "ytrewq".
#include "qkv/tasks/tasks.h"

namespace qkv {
namespace {

task_example example(draws& random, long length) {
  const exchange forwards = copy_task().example(random, length).front();
  const std::string word = forwards.given.substr(0, forwards.given.size() - 1);
  return {{forwards.given, std::string(word.rbegin(), word.rend()) + "\n"}};
}

}  // namespace

task reverse_task() {
  task all = copy_task();
  all.name = "reverse";
  all.what = "say a word of random letters backwards";
  all.example = example;
  return all;
}

}  // namespace qkv
