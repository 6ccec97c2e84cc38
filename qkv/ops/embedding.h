// Rows of a table by number.
#pragma once
#include "qkv/tensor/tensor.h"

namespace qkv {

/// @param weight  [V, D] float32   @param ids  [...] int32   @returns [..., D]
/// @throws shape_error "embedding: expected ids in 0 .. 64; found 65"
tensor embedding(const tensor& weight, const tensor& ids);
void embedding_into(const tensor& y, const tensor& weight, const tensor& ids);

/// dweight [V, D] += dy's rows at their ids, in the order of ids, whatever the number of threads.
void embedding_backward_into(const tensor& dweight, const tensor& dy, const tensor& ids);

}  // namespace qkv
