// Results for places that no sequence covers.
#pragma once
#include <algorithm>

#include "qkv/tensor/view.h"

namespace qkv {

/// Sets every element of x [B, T, H, D], whose last axis has unit stride.
inline void fill(view<float, 4> x, float value) {
  for (long b = 0; b < x.sizes[0]; ++b)
    for (long t = 0; t < x.sizes[1]; ++t)
      for (long h = 0; h < x.sizes[2]; ++h) std::fill_n(&x(b, t, h, 0), x.sizes[3], value);
}
inline void fill(view<float, 3> x, float value) {
  for (long b = 0; b < x.sizes[0]; ++b)
    for (long t = 0; t < x.sizes[1]; ++t)
      for (long h = 0; h < x.sizes[2]; ++h) x(b, t, h) = value;
}

}  // namespace qkv
