#include "qkv/tasks/tasks.h"

#include "qkv/base/error.h"

namespace qkv {

std::span<const task> all_tasks() {
  static const std::vector<task> all{copy_task(),   reverse_task(),   addition_task(),
                                     recall_task(), induction_task(), dates_task()};
  return all;
}

std::vector<std::string> names_of_tasks() {
  std::vector<std::string> names;
  for (const task& each : all_tasks()) names.push_back(each.name);
  return names;
}

const task& task_named(const std::string& name) {
  std::string names;
  for (const task& each : all_tasks()) {
    if (each.name == name) return each;
    names += (names.empty() ? "" : ", ") + each.name;
  }
  refuse("task", "one of " + names, name);
}

}  // namespace qkv
