#include "qkv/ops/embedding.h"

#include <cstdint>
#include <cstring>

#include "qkv/kernels/elementwise.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "embedding";

shape result_shape(const tensor& weight, const tensor& ids) {
  expect_rank(weight, 2, op, "weight [V, D]");
  shape s = ids.shape();
  s.push_back(weight.dim(1));
  return s;
}

/// The ids in order, each below the table's length.
tensor checked_ids(const tensor& ids, long length) {
  tensor list = ids.to_contiguous();
  const auto* id = list.data<std::int32_t>();
  for (long i = 0; i < list.size(); ++i)
    if (id[i] < 0 || id[i] >= length) refuse(op, "ids in 0 .. " + std::to_string(length - 1), std::to_string(id[i]));
  return list;
}

}  // namespace

tensor embedding(const tensor& weight, const tensor& ids) {
  tensor y = tensor::uninitialized(result_shape(weight, ids));
  embedding_into(y, weight, ids);
  return y;
}

void embedding_into(const tensor& y, const tensor& weight, const tensor& ids) {
  expect_shape(y, result_shape(weight, ids), op, "y");
  const tensor list = checked_ids(ids, weight.dim(0));
  const auto* id = list.data<std::int32_t>();
  expect_apart(y, weight, op, "y", "weight"), expect_apart(y, ids, op, "y", "ids");
  const auto table = rows_to_read(weight);
  const auto to = rows_to_write(y, op, "y");
  if (to.width == 0) return;
  for_rows(to.count, to.width, [&](long first, long count) {
    for (long i = first; i < first + count; ++i)
      std::memcpy(to.row(i), table.row(id[i]), std::size_t(to.width) * sizeof(float));
  });
}

void embedding_backward_into(const tensor& dweight, const tensor& dy, const tensor& ids) {
  expect_shape(dy, result_shape(dweight, ids), op, "dy");
  expect_apart(dweight, dy, op, "dweight", "dy");
  const tensor list = checked_ids(ids, dweight.dim(0));
  const auto* id = list.data<std::int32_t>();
  const auto from = rows_to_read(dy);
  const auto to = rows_to_write(dweight, op, "dweight");
  const auto add = elementwise_now().add;
  // Each work item has columns of its own, so that no two threads meet and every sum runs in the order of ids.
  constexpr long slice = 64;
  parallel_for((to.width + slice - 1) / slice, [&](long item, int) {
    const long column = item * slice, n = std::min(slice, to.width - column);
    for (long i = 0; i < from.count; ++i) {
      float* sum = to.row(id[i]) + column;
      add(sum, sum, from.row(i) + column, n);
    }
  });
}

}  // namespace qkv
