// Matrix product of views with any strides; `transpose` of a tensor makes A^T B and A B^T of it.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// C = A B.
///
///   M rows   K depth   N columns   ... leading axes, equal in both
///
/// @param a  [..., M, K]   @param b  [..., K, N]; float32, any strides, so `matmul(a, b.transpose(-1, -2))` is A B^T
/// @returns [..., M, N]
/// @throws shape_error "matmul: expected b [..., 3, N]; found [4, 5]"
/// Cost: 2 M K N flops a product.
tensor matmul(const tensor& a, const tensor& b);

/// The same into c [..., M, N], whose last axis has unit stride; replace: c = A B, add: c += A B.
/// c lies apart from a and b.
void matmul_into(const tensor& c, const tensor& a, const tensor& b, writing write = writing::replace);

/// dA = dC B^T and dB = A^T dC, into da and db; an empty one is left out.
void matmul_backward_into(const tensor& da, const tensor& db, const tensor& dc, const tensor& a, const tensor& b,
                          writing write = writing::replace);

}  // namespace qkv
