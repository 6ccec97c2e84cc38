#include "qkv/ops/adamw.h"

#include <cmath>
#include <vector>

#include "qkv/kernels/optimizer.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

constexpr const char* op = "adamw";

void check(const adamw_parameter& p) {
  if (p.value.empty()) refuse(op, "a parameter", "nothing");
  expect_shape(p.gradient, p.value.shape(), op, "gradient");
  expect_shape(p.first_moment, p.value.shape(), op, "first moment");
  expect_shape(p.second_moment, p.value.shape(), op, "second moment");
  for (const tensor& t : {p.value, p.gradient, p.first_moment, p.second_moment})
    if (!t.contiguous()) refuse(op, "contiguous tensors", "strides " + to_string(t.strides()));
}

/// 1 - beta^step without the cancellation that beta near 1 brings.
double bias_correction(double beta, long step) { return -std::expm1(double(step) * std::log(beta)); }

adamw_constants constants_of(const adamw_options& o, const adamw_parameter& p) {
  return {.beta1 = float(o.beta1),
          .beta2 = float(o.beta2),
          .one_minus_beta1 = float(1 - o.beta1),
          .one_minus_beta2 = float(1 - o.beta2),
          .gradient_scale = float(o.gradient_scale),
          .penalty = float(p.penalty),
          .keep = float(1 - o.learning_rate * p.weight_decay),
          .rate = float(o.learning_rate / bias_correction(o.beta1, o.step)),
          .root_scale = float(1 / std::sqrt(bias_correction(o.beta2, o.step))),
          .epsilon = float(o.epsilon)};
}

/// A stretch of one parameter.
struct stretch {
  std::size_t parameter;
  long first, count;
};

}  // namespace

void adamw_step(std::span<const adamw_parameter> parameters, const adamw_options& options) {
  if (options.step < 1) refuse(op, "a step of 1 or more", std::to_string(options.step));
  std::vector<stretch> work;
  std::vector<adamw_constants> constants;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    check(parameters[i]);
    constants.push_back(constants_of(options, parameters[i]));
    const long size = parameters[i].value.size();
    for (long first = 0; first < size; first += piece_size)
      work.push_back({i, first, std::min(piece_size, size - first)});
  }
  const auto kernel = optimizer_now().adamw;
  parallel_for(long(work.size()), [&](long item, int) {
    const auto [i, first, count] = work[std::size_t(item)];
    const adamw_parameter& p = parameters[i];
    kernel(p.value.data<float>() + first, p.gradient.data<float>() + first, p.first_moment.data<float>() + first,
           p.second_moment.data<float>() + first, count, constants[i]);
  });
}

}  // namespace qkv
