#include "qkv/nn/feed_forward.h"

#include "qkv/autograd/elementwise.h"

namespace qkv::nn {

feed_forward::feed_forward(feed_forward_kind which, long width, long hidden, bool with_bias, initialisation& init,
                           double down_deviation)
    : kind(which),
      up(width, which == feed_forward_kind::swiglu ? 2 * hidden : hidden, with_bias, init, init.deviation),
      down(hidden, width, with_bias, init, down_deviation) {}

variable feed_forward::operator()(const variable& x, const variable& residual) const {
  if (kind == feed_forward_kind::swiglu) return down(swiglu(up(x)), residual);
  const activation f = kind == feed_forward_kind::relu ? activation::relu : activation::gelu;
  return qkv::feed_forward(x, up.weight, up.bias, down.weight, down.bias, residual, f);
}

}  // namespace qkv::nn
