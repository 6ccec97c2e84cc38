#include "qkv/nn/norm.h"

namespace qkv::nn {

norm::norm(norm_kind which, long width, bool with_bias)
    : kind(which), weight(tensor::full({width}, 1), needs_gradient) {
  if (with_bias && which == norm_kind::layer_norm) bias = variable(tensor({width}), needs_gradient);
}

}  // namespace qkv::nn
