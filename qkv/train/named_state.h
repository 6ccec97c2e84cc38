// What a run remembers between steps, as named tensors.
#pragma once
#include <string>
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {

using named_tensors = std::vector<std::pair<std::string, tensor>>;

/// Copies the tensor of that name.   @throws file_error where it is missing or has another shape
void load_named(const named_tensors& tensors, const std::string& name, const tensor& into);

}  // namespace qkv
