// A vector for each token of a vocabulary.
#pragma once
#include "qkv/autograd/embedding.h"
#include "qkv/nn/initialisation.h"
#include "qkv/nn/module.h"

namespace qkv::nn {

/// tokens [...] int32   weight [V, C]   returns [..., C]
struct embedding {
  variable weight;

  embedding() = default;
  embedding(long vocabulary, long width, initialisation& init)
      : weight(init.normal({vocabulary, width}, init.deviation), needs_gradient) {}

  variable operator()(const tensor& tokens) const { return qkv::embedding(weight, tokens); }

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    see(prefix + "weight", weight);
  }
};

}  // namespace qkv::nn
