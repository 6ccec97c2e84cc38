// From predictions to one number, on the tape.
#pragma once
#include "qkv/autograd/variable.h"
#include "qkv/ops/cross_entropy.h"

namespace qkv {

/// Mean cross-entropy of logits [..., V] against targets [...] int32; a scalar.
variable cross_entropy(const variable& logits, const tensor& targets, const cross_entropy_options& options = {});

/// The same for logits = x W^T, which are made in chunks and never kept (qkv/ops/cross_entropy.h).  When the tape
/// records, both gradients are made along with the loss.   x [..., C]   weight [V, C]   targets [...] int32
variable linear_cross_entropy(const variable& x, const variable& weight, const tensor& targets,
                              const cross_entropy_options& options = {});

variable sum(const variable& x);   ///< of all elements; a scalar
variable mean(const variable& x);  ///< of all elements; a scalar

}  // namespace qkv
