#include "qkv/autograd/loss.h"

#include "qkv/autograd/record.h"
#include "qkv/ops/scale.h"
#include "qkv/ops/sum.h"

namespace qkv {
namespace {

tensor scalar_tensor(double value) { return tensor::full({}, value); }
float number_in(const tensor& scalar) { return float(scalar.item()); }

/// factor * the gradient of a sum: the same for every element.
variable reduced(const char* operation, double value, const variable& x, double factor) {
  return record(operation, scalar_tensor(value), {x},
                [shape = x.shape(), factor](const tensor& dy, const gradient_sink& into) {
                  into.add(0, tensor::full(shape, number_in(dy) * factor));
                });
}

}  // namespace

variable cross_entropy(const variable& logits, const tensor& targets, const cross_entropy_options& options) {
  const auto forward = cross_entropy(logits.value(), targets, options);
  return record("cross_entropy", scalar_tensor(forward.loss), {logits},
                [logits = logits.value(), targets, forward, options](const tensor& dy, const gradient_sink& into) {
                  const tensor dlogits = tensor::uninitialized(logits.shape());
                  cross_entropy_backward_into(dlogits, logits, targets, forward, number_in(dy), options);
                  into.add(0, dlogits);
                });
}

variable linear_cross_entropy(const variable& x, const variable& weight, const tensor& targets,
                              const cross_entropy_options& options) {
  if (!recording({x, weight})) {
    return variable(scalar_tensor(linear_cross_entropy(x.value(), weight.value(), targets, options).loss));
  }
  const tensor dx = x.wants_gradient() ? tensor::uninitialized(x.shape()) : tensor();
  const tensor dweight = weight.wants_gradient() ? tensor(weight.shape()) : tensor();
  const auto forward = linear_cross_entropy_with_gradients(dx, dweight, x.value(), weight.value(), targets, 1, options);
  return record("linear_cross_entropy", scalar_tensor(forward.loss), {x, weight},
                [dx, dweight](const tensor& dy, const gradient_sink& into) {
                  const float factor = number_in(dy);
                  for (int input = 0; input < 2; ++input) {
                    const tensor& gradient = input == 0 ? dx : dweight;
                    if (gradient.empty()) continue;
                    if (factor != 1) scale_into(gradient, gradient, factor);
                    into.add(input, gradient);
                  }
                });
}

variable sum(const variable& x) { return reduced("sum", sum(x.value()), x, 1); }
variable mean(const variable& x) { return reduced("mean", mean(x.value()), x, 1.0 / double(x.value().size())); }

}  // namespace qkv
