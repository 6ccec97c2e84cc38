// Rows chosen and rows averaged, on the tape.
#pragma once
#include <span>

#include "qkv/autograd/variable.h"

namespace qkv {

/// Rows of x [N, C] by number.   rows [...] int32 in 0 .. N - 1, any of them several times   returns [..., C]
variable gather_rows(const variable& x, const tensor& rows);

/// The mean of each packed sequence: x [N, C], offsets [B+1] to [B, C] (qkv/ops/segment_mean.h).
variable segment_mean(const variable& x, std::span<const long> offsets);

}  // namespace qkv
