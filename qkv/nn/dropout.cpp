#include "qkv/nn/dropout.h"

#include "qkv/autograd/elementwise.h"

namespace qkv::nn {

variable dropout::operator()(const variable& x, const forward_mode& mode) const {
  if (!acts(mode)) return x;
  // A model has far fewer than 2^20 layers, a run fewer than 2^44 steps.
  return qkv::dropout(x, probability, random_stream{mode.seed, mode.step << 20 | stream});
}

}  // namespace qkv::nn
