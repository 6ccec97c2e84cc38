#include "qkv/ops/layer_norm.h"

#include "qkv/ops/norm_rows.h"

namespace qkv {
namespace {

constexpr const char* op = "layer_norm";

}  // namespace

tensor layer_norm(const tensor& x, const tensor& weight, const tensor& bias, float epsilon,
                  layer_norm_statistics* statistics) {
  tensor y = tensor::uninitialized(x.shape());
  layer_norm_into(y, x, weight, bias, epsilon, statistics);
  return y;
}

void layer_norm_into(const tensor& y, const tensor& x, const tensor& weight, const tensor& bias, float epsilon,
                     layer_norm_statistics* statistics) {
  add_layer_norm_into({}, y, x, {}, weight, bias, epsilon, statistics);
}

void add_layer_norm_into(const tensor& sum, const tensor& y, const tensor& x, const tensor& residual,
                         const tensor& weight, const tensor& bias, float epsilon, layer_norm_statistics* statistics) {
  run_norm({op, sum, y, x, residual, weight, bias, epsilon, statistics ? &statistics->mean : nullptr,
            statistics ? &statistics->inverse_deviation : nullptr},
           norm_now().layer_norm);
}

void layer_norm_backward_into(const tensor& dx, const tensor& dweight, const tensor& dbias, const tensor& dy,
                              const tensor& x, const tensor& weight, const layer_norm_statistics& statistics,
                              writing write_dx) {
  expect_shape(statistics.mean, {row_count(x)}, op, "mean");
  run_norm_backward({op, dx, dweight, dbias, dy, x, weight, statistics.mean, statistics.inverse_deviation, write_dx},
                    norm_now().layer_norm_backward);
}

}  // namespace qkv
