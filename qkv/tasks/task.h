// A task: examples that are made up, as a pure function of a seed and a number, to learn from without any data.
//
// An example is a text in which some parts are given and the others are the answers.  A model that reads on learns to
// say the answers where they stand; a translator hears what is given and says the answer.
#pragma once
#include <string>
#include <vector>

#include "qkv/tasks/draws.h"

namespace qkv {

/// A part of an example: what is given, and what is to be said after it.
struct exchange {
  std::string given, answer;

  bool operator==(const exchange&) const = default;
};
using task_example = std::vector<exchange>;

struct task {
  std::string name;
  std::string what;        ///< one line for people
  std::string of_length;   ///< what `length` counts
  std::string characters;  ///< all that its texts may be made of, in UTF-8
  long length = 0, shortest = 0, longest = 0;
  /// Characters of the longest example of this length.
  long (*size_of)(long length) = nullptr;
  task_example (*example)(draws& random, long length) = nullptr;
  bool translates = false;  ///< has one exchange an example, for a translator
};

/// Given parts and answers one after the other.
std::string text_of(const task_example& example);

/// Which of the two sets of a task an example belongs to follows from its text alone, so that no example can be in both.
enum class task_side { learn, held_out };

/// Example `index` of one side: the first that belongs there, of those that the draws of (seed, index) make.
/// @throws shape_error for a length that the task does not have
task_example example_of(const task& which, long length, task_side side, std::uint64_t seed, std::uint64_t index);

/// The first `count` different held-out examples; fewer where so many do not turn up.
std::vector<task_example> held_out_examples(const task& which, long length, long count);

/// @throws shape_error for a length that the task does not have
void check_length(const task& which, long length);

}  // namespace qkv
