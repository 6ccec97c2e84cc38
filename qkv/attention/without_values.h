// Problems of which only the weights are wanted.
#pragma once
#include "qkv/attention/engine.h"

namespace qkv {

/// Queries and keys, checked, with values of no columns.
inline problem without_values(const char* operation, const formula& f, const tensor& q, const tensor& k, alignment align,
                       const sequences& ragged) {
  for (const tensor* t : {&q, &k}) {
    const char* const name = t == &q ? "q [B, T, H, D]" : "k [B, S, G, D]";
    if (t->rank() != 4) refuse(operation, name, to_string(t->shape()));
    if (t->type() != dtype::float32)
      throw unsupported_error(std::string(operation) + ": expected " + name + " of type float32; found " + name_of(t->type()));
  }
  problem x{q.view<const float, 4>(), k.view<const float, 4>(), {}, align, ragged};
  x.v = x.k;
  x.v.sizes[3] = 0;
  check(operation, f, x);
  check_fused(operation, f);
  return x;
}

}  // namespace qkv
