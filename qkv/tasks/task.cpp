#include "qkv/tasks/task.h"

#include <set>

#include "qkv/base/error.h"

namespace qkv {
namespace {

constexpr std::uint64_t seed_of_held_out = 0;  // the same for every run, so that figures compare

/// One text in sixteen, by its bytes (FNV-1a, Fowler et al. 1991).
bool is_held_out(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : text) hash = (hash ^ std::uint8_t(byte)) * 0x100000001b3;
  return (hash ^ hash >> 32) % 16 == 0;
}

}  // namespace

std::string text_of(const task_example& example) {
  std::string text;
  for (const exchange& part : example) text += part.given + part.answer;
  return text;
}

void check_length(const task& which, long length) {
  if (length >= which.shortest && length <= which.longest) return;
  refuse("task " + which.name,
         "a length of " + std::to_string(which.shortest) + " to " + std::to_string(which.longest) + " (" +
             which.of_length + ")",
         std::to_string(length));
}

task_example example_of(const task& which, long length, task_side side, std::uint64_t seed, std::uint64_t index) {
  check_length(which, length);
  draws random({seed, std::uint64_t(side)}, index);
  while (true) {
    task_example example = which.example(random, length);
    if (is_held_out(text_of(example)) == (side == task_side::held_out)) return example;
  }
}

std::vector<task_example> held_out_examples(const task& which, long length, long count) {
  std::vector<task_example> examples;
  std::set<std::string> texts;
  for (long i = 0; i < 4 * count && long(examples.size()) < count; ++i) {
    task_example example = example_of(which, length, task_side::held_out, seed_of_held_out, std::uint64_t(i));
    if (texts.insert(text_of(example)).second) examples.push_back(std::move(example));
  }
  return examples;
}

}  // namespace qkv
