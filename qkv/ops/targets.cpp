#include "qkv/ops/targets.h"

#include <string>

#include "qkv/ops/rows.h"

namespace qkv {

target_list::target_list(const tensor& targets, const tensor& x, long classes, const cross_entropy_options& options)
    : rows(row_count(x)), ignored(options.ignore_index), smoothing(float(options.smoothing)) {
  constexpr const char* op = "cross_entropy";
  if (!(options.smoothing >= 0 && options.smoothing < 1))
    refuse(op, "label smoothing in 0 .. 1, without 1", std::to_string(options.smoothing));
  expect_shape(targets, leading(x), op, "targets");
  owner = targets.to_contiguous();
  ids = owner.data<std::int32_t>();
  for (long row = 0; row < rows; ++row) {
    if (!counts(row)) continue;
    if (ids[row] < 0 || ids[row] >= classes)
      refuse(op, "targets in 0 .. " + std::to_string(classes - 1) + " or " + std::to_string(ignored),
             std::to_string(ids[row]) + " at row " + std::to_string(row));
    ++count;
  }
}

}  // namespace qkv
