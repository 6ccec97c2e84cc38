// Ready-made similarities and weightings by name, for callers that choose at run time.
#pragma once
#include <memory>
#include <string>

#include "qkv/attention/formula.h"

namespace qkv::traced {

/// dot, cosine, negative_squared_distance; additive (array [D]) and bilinear (array [D, D] or [H, D, D]).
/// Throws shape_error for another name or a missing array.
std::shared_ptr<const formula> similarity_named(const std::string& name, const tensor& array = {});

/// softmax, uniform, hardmax, sparsemax, entmax15, signed_weights; top_k (number: links), sigmoid_weights (number:
/// bias), relu_weights and squared_relu_weights (number: factor), softmax_with_sink (array [H]).  `by_division` is for
/// signed_weights.  Throws shape_error for another name, a missing array or a number that makes no sense.
std::shared_ptr<const formula> weighting_named(const std::string& name, double number = 0, const tensor& array = {},
                                               bool by_division = false);

}  // namespace qkv::traced
