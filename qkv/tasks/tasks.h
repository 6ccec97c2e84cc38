// The tasks that there are, one file each.
#pragma once
#include <span>

#include "qkv/tasks/task.h"

namespace qkv {

task copy_task();
task reverse_task();
task addition_task();
task recall_task();
task induction_task();
task dates_task();

std::span<const task> all_tasks();
std::vector<std::string> names_of_tasks();
/// @throws shape_error that lists the tasks
const task& task_named(const std::string& name);

}  // namespace qkv
