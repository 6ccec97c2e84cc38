// Rows of a learned table, on the tape.
#pragma once
#include "qkv/autograd/variable.h"

namespace qkv {

/// weight [V, C]   ids [...] int32   returns [..., C]   (qkv/ops/embedding.h)
variable embedding(const variable& weight, const tensor& ids);

}  // namespace qkv
