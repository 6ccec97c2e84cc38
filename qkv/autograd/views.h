// The same numbers in another order, on the tape.
#pragma once
#include "qkv/autograd/variable.h"

namespace qkv {

variable reshape(const variable& x, shape s);                     ///< one size may be -1
variable slice(const variable& x, int axis, long from, long to);  ///< a view
variable transpose(const variable& x, int a, int b);              ///< a view
variable contiguous(const variable& x);                         ///< x itself, or a dense copy of a view
variable concatenate(std::span<const variable> parts, int axis);  ///< a copy

}  // namespace qkv
