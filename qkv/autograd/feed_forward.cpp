#include "qkv/autograd/feed_forward.h"

#include "qkv/autograd/record.h"
#include "qkv/ops/linear.h"

namespace qkv {
namespace {

/// Gradients of a linear layer's weight and bias, wherever they are wanted.
void parameter_gradients(const tensor& dy, const tensor& x, int weight, int bias, const gradient_sink& into) {
  if (const auto dw = into.to(weight); !dw.memory.empty()) linear_backward_weight(dw.memory, dy, x, dw.write);
  if (const auto db = into.to(bias); !db.memory.empty()) linear_backward_bias(db.memory, dy, db.write);
}

}  // namespace

variable feed_forward(const variable& x, const variable& up, const variable& up_bias, const variable& down,
                      const variable& down_bias, const variable& residual, activation f) {
  const variable inputs[] = {x, up, up_bias, down, down_bias, residual};
  shape hidden_shape = x.shape();
  if (!hidden_shape.empty()) hidden_shape.back() = up.dim(0);
  const tensor before = recording(inputs) ? tensor::uninitialized(hidden_shape) : tensor();
  const tensor hidden = linear(x.value(), up.value(), {.bias = up_bias.value(), .activate = f, .before = before});
  tensor y = linear(hidden, down.value(), {.bias = down_bias.value(), .residual = residual.value()});
  return record("feed_forward", std::move(y), inputs,
                [x = x.value(), u = up.value(), d = down.value(), before, hidden, f](const tensor& dy,
                                                                                     const gradient_sink& into) {
                  parameter_gradients(dy, hidden, 3, 4, into);
                  const tensor dbefore = linear_backward_input(dy, d, {.through = f, .before = before});
                  parameter_gradients(dbefore, x, 1, 2, into);
                  if (const auto dx = into.to(0); !dx.memory.empty()) {
                    linear_backward_input_into(dx.memory, dbefore, u, {.write = dx.write});
                  }
                  into.pass_on(5);
                });
}

}  // namespace qkv
