// From an element type known at run time to one known to the compiler.
#pragma once
#include <utility>

#include "qkv/tensor/dtype.h"

namespace qkv {

/// Calls f(T{}) with the C++ type T of `type`:
///   visit_type(t.type(), [&]<class T>(T) { use(t.data<T>()); });
template <class Function>
decltype(auto) visit_type(dtype type, Function&& f) {
  switch (type) {
    case dtype::bfloat16: return f(bfloat16{});
    case dtype::int32: return f(std::int32_t{});
    case dtype::float64: return f(double{});
    case dtype::int8: return f(std::int8_t{});
    default: return f(float{});
  }
}

}  // namespace qkv
