#include "qkv/ops/sgd.h"

#include <vector>

#include "qkv/kernels/optimizer.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "sgd";

void check(const sgd_parameter& p) {
  if (p.value.empty()) refuse(op, "a parameter", "nothing");
  expect_shape(p.gradient, p.value.shape(), op, "gradient");
  expect_shape(p.velocity, p.value.shape(), op, "velocity");
  for (const tensor& t : {p.value, p.gradient, p.velocity})
    if (!t.contiguous()) refuse(op, "contiguous tensors", "strides " + to_string(t.strides()));
}

/// A stretch of one parameter.
struct stretch {
  std::size_t parameter;
  long first, count;
};

}  // namespace

void sgd_step(std::span<const sgd_parameter> parameters, const sgd_options& options) {
  std::vector<stretch> work;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    check(parameters[i]);
    const long size = parameters[i].value.size();
    for (long first = 0; first < size; first += piece_size)
      work.push_back({i, first, std::min(piece_size, size - first)});
  }
  const auto kernel = optimizer_now().sgd;
  parallel_for(long(work.size()), [&](long item, int) {
    const auto [i, first, count] = work[std::size_t(item)];
    const sgd_parameter& p = parameters[i];
    kernel(p.value.data<float>() + first, p.gradient.data<float>() + first, p.velocity.data<float>() + first, count,
           {.momentum = float(options.momentum),
            .gradient_scale = float(options.gradient_scale),
            .penalty = float(p.penalty),
            .rate = float(options.learning_rate)});
  });
}

}  // namespace qkv
