#include "qkv/ops/rms_norm.h"

#include "qkv/ops/norm_rows.h"

namespace qkv {
namespace {

constexpr const char* op = "rms_norm";

}  // namespace

tensor rms_norm(const tensor& x, const tensor& weight, float epsilon, tensor* inverse_root) {
  tensor y = tensor::uninitialized(x.shape());
  rms_norm_into(y, x, weight, epsilon, inverse_root);
  return y;
}

void rms_norm_into(const tensor& y, const tensor& x, const tensor& weight, float epsilon, tensor* inverse_root) {
  add_rms_norm_into({}, y, x, {}, weight, epsilon, inverse_root);
}

void add_rms_norm_into(const tensor& sum, const tensor& y, const tensor& x, const tensor& residual,
                       const tensor& weight, float epsilon, tensor* inverse_root) {
  run_norm({op, sum, y, x, residual, weight, {}, epsilon, nullptr, inverse_root}, norm_now().rms_norm);
}

void rms_norm_backward_into(const tensor& dx, const tensor& dweight, const tensor& dy, const tensor& x,
                            const tensor& weight, const tensor& inverse_root, writing write_dx) {
  run_norm_backward({op, dx, dweight, {}, dy, x, weight, {}, inverse_root, write_dx}, norm_now().rms_norm_backward);
}

}  // namespace qkv
