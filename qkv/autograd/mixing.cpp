#include "qkv/autograd/mixing.h"

#include "qkv/autograd/record.h"
#include "qkv/ops/fourier_mixing.h"

namespace qkv {

variable depthwise_convolution(const variable& x, const variable& weight, const variable& bias,
                               convolution_reach reach) {
  return record("depthwise_convolution", depthwise_convolution(x.value(), weight.value(), bias.value(), reach),
                {x, weight, bias},
                [x = x.value(), w = weight.value(), reach](const tensor& dy, const gradient_sink& into) {
                  const auto dx = into.to(0);
                  depthwise_convolution_backward_into(dx.memory, into.sum(1), into.sum(2), dy, x, w, reach, dx.write);
                });
}

variable fourier_mixing(const variable& x) {
  return record("fourier_mixing", fourier_mixing(x.value()), {x}, [](const tensor& dy, const gradient_sink& into) {
    const auto dx = into.to(0);
    fourier_mixing_into(dx.memory, dy, dx.write);
  });
}

variable rotary(const variable& x, const rotary_table& table, long first) {
  return record("rotary", rotary(x.value(), table, first), {x},
                [table, first](const tensor& dy, const gradient_sink& into) {
                  const tensor dx = tensor::uninitialized(dy.shape());
                  rotary_backward_into(dx, dy, table, first);
                  into.add(0, dx);
                });
}

}  // namespace qkv
