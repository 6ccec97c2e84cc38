// Tensors as the engine takes them, and the workspace of its calls on tensors.
#pragma once
#include "qkv/attention/engine.h"

namespace qkv {

/// float32, or bfloat16 too; four axes, unit stride in the last; a copy only where the last axis strides.
/// Throws shape_error for another rank, unsupported_error for another type.
inline tensor readable(const char* operation, const char* name, const char* letters, const tensor& t,
                       bool may_be_narrow = false) {
  if (t.rank() != 4)
    refuse(operation, std::string(name) + " " + letters, std::string(name) + " " + to_string(t.shape()));
  if (t.type() != dtype::float32 && !(may_be_narrow && t.type() == dtype::bfloat16))
    throw unsupported_error(std::string(operation) + ": expected " + name + " of type float32; found " +
                            name_of(t.type()) + "; convert it with .to(dtype::float32)");
  return t.dim(3) > 1 && t.strides()[3] != 1 ? t.to_contiguous() : t;
}

inline problem views_of(const tensor& q, const tensor& k, const tensor& v, alignment align, sequences ragged) {
  return {q.view<const float, 4>(), k.view<const float, 4>(), v.view<const float, 4>(), align, std::move(ragged)};
}

/// One workspace a thread, kept from call to call.
inline workspace& kept_workspace() {
  static thread_local workspace w;
  return w;
}

}  // namespace qkv
