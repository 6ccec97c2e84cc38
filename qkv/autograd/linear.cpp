#include "qkv/autograd/linear.h"

#include "qkv/autograd/record.h"
#include "qkv/ops/linear.h"
#include "qkv/ops/matmul.h"

namespace qkv {

variable linear(const variable& x, const variable& weight, const variable& bias, const variable& residual) {
  tensor y = linear(x.value(), weight.value(), {.bias = bias.value(), .residual = residual.value()});
  return record("linear", std::move(y), {x, weight, bias, residual},
                [x = x.value(), w = weight.value()](const tensor& dy, const gradient_sink& into) {
                  if (const auto dw = into.to(1); !dw.memory.empty())
                    linear_backward_weight(dw.memory, dy, x, dw.write);
                  if (const auto db = into.to(2); !db.memory.empty()) linear_backward_bias(db.memory, dy, db.write);
                  if (const auto dx = into.to(0); !dx.memory.empty()) {
                    linear_backward_input_into(dx.memory, dy, w, {.write = dx.write});
                  }
                  into.pass_on(3);
                });
}

variable matmul(const variable& a, const variable& b) {
  return record("matmul", matmul(a.value(), b.value()), {a, b},
                [a = a.value(), b = b.value()](const tensor& dc, const gradient_sink& into) {
                  const auto da = into.to(0);
                  matmul_backward_into(da.memory, {}, dc, a, b, da.write);
                  const auto db = into.to(1);
                  matmul_backward_into({}, db.memory, dc, a, b, db.write);
                });
}

}  // namespace qkv
