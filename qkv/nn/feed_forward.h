// The position-wise feed-forward layer: each token by itself, through a wider hidden layer.
#pragma once
#include "qkv/autograd/feed_forward.h"
#include "qkv/nn/linear.h"

namespace qkv::nn {

enum class feed_forward_kind { gelu, swiglu, relu };

/// gelu:   down(gelu(up(x)))                (the paper's with Hendrycks & Gimpel's GELU, as in GPT-2 and BERT)
/// swiglu: down(silu(gate(x)) * up(x))      (Shazeer 2020); gate and up are the two halves of one product
/// relu:   down(relu(up(x)))                (Vaswani et al. 2017, eq. 2)
///
///   x [..., C]   up.weight [F, C], or [2 F, C] for swiglu   down.weight [C, F]
struct feed_forward {
  feed_forward_kind kind = feed_forward_kind::gelu;
  linear up, down;

  feed_forward() = default;
  /// @param down_deviation  of the last product's weights; GPT-2 divides it by sqrt(2 layers)
  feed_forward(feed_forward_kind which, long width, long hidden, bool with_bias, initialisation& init,
               double down_deviation);

  variable operator()(const variable& x) const { return (*this)(x, variable()); }
  /// residual + feed_forward(x); an empty residual is left out.
  variable operator()(const variable& x, const variable& residual) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    up.visit(prefix + "up.", see);
    down.visit(prefix + "down.", see);
  }
};

}  // namespace qkv::nn
