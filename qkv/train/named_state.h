// What a run remembers between steps, as named tensors.
#pragma once
#include <string>
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {

using named_tensors = std::vector<std::pair<std::string, tensor>>;

/// Copies the tensor of that name.   @throws file_error where it is missing or has another shape
void load_named(const named_tensors& tensors, const std::string& name, const tensor& into);
/// The same, of numbers that a step reckons with.   @throws file_error where one is NaN or infinite, too
void load_finite(const named_tensors& tensors, const std::string& name, const tensor& into);

/// "2 of 128 that are NaN or infinite"; empty where none is.  Cost: one pass.
/// @param numbers  float32
std::string not_finite_in_words(const tensor& numbers);

}  // namespace qkv
