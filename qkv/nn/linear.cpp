#include "qkv/nn/linear.h"

namespace qkv::nn {

linear::linear(long input, long output, bool with_bias, initialisation& init, double deviation)
    : weight(init.normal({output, input}, deviation), needs_gradient) {
  if (with_bias) bias = variable(tensor({output}), needs_gradient);
}

}  // namespace qkv::nn
