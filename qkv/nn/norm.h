// Normalisation of each token's vector.
#pragma once
#include "qkv/autograd/norm.h"
#include "qkv/nn/module.h"

namespace qkv::nn {

enum class norm_kind { layer_norm, rms_norm };

/// Layer norm (Ba, Kiros & Hinton 2016) or RMS norm (Zhang & Sennrich 2019) over the last axis.
///   x [..., C]   weight [C], ones at first   bias [C], zeros at first, or empty; RMS norm has none
struct norm {
  norm_kind kind = norm_kind::layer_norm;
  variable weight, bias;
  float epsilon = 1e-5f;

  norm() = default;
  norm(norm_kind which, long width, bool with_bias);

  variable operator()(const variable& x) const {
    return kind == norm_kind::rms_norm ? qkv::rms_norm(x, weight, epsilon) : qkv::layer_norm(x, weight, bias, epsilon);
  }

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    see(prefix + "weight", weight);
    if (!bias.empty()) see(prefix + "bias", bias);
  }
};

}  // namespace qkv::nn
