// A linear layer.
#pragma once
#include "qkv/autograd/linear.h"
#include "qkv/nn/initialisation.h"
#include "qkv/nn/module.h"

namespace qkv::nn {

/// y = x W^T + b.   x [..., I]   weight [O, I]   bias [O], or empty   y [..., O]
struct linear {
  variable weight, bias;

  linear() = default;
  linear(long input, long output, bool with_bias, initialisation& init, double deviation);

  variable operator()(const variable& x) const { return qkv::linear(x, weight, bias); }
  /// residual + x W^T + b, the sum made in the product's epilogue.
  variable operator()(const variable& x, const variable& residual) const {
    return qkv::linear(x, weight, bias, residual);
  }

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    see(prefix + "weight", weight);
    if (!bias.empty()) see(prefix + "bias", bias);
  }
};

}  // namespace qkv::nn
