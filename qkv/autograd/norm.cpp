#include "qkv/autograd/norm.h"

#include "qkv/autograd/record.h"
#include "qkv/ops/layer_norm.h"
#include "qkv/ops/rms_norm.h"

namespace qkv {

variable layer_norm(const variable& x, const variable& weight, const variable& bias, float epsilon) {
  layer_norm_statistics rows;
  tensor y = layer_norm(x.value(), weight.value(), bias.value(), epsilon, &rows);
  return record("layer_norm", std::move(y), {x, weight, bias},
                [x = x.value(), w = weight.value(), rows](const tensor& dy, const gradient_sink& into) {
                  const tensor dw = into.sum(1), db = into.sum(2);
                  const auto dx = into.to(0);
                  layer_norm_backward_into(dx.memory, dw, db, dy, x, w, rows, dx.write);
                });
}

variable rms_norm(const variable& x, const variable& weight, float epsilon) {
  tensor inverse_root;
  tensor y = rms_norm(x.value(), weight.value(), epsilon, &inverse_root);
  return record("rms_norm", std::move(y), {x, weight},
                [x = x.value(), w = weight.value(), inverse_root](const tensor& dy, const gradient_sink& into) {
                  const tensor dw = into.sum(1);
                  const auto dx = into.to(0);
                  rms_norm_backward_into(dx.memory, dw, dy, x, w, inverse_root, dx.write);
                });
}

}  // namespace qkv
