// Whether strided arrays lie on each other's memory.
#pragma once
#include <span>

#include "qkv/tensor/tensor.h"

namespace qkv {

/// An array as memory: `sizes` elements along each axis, `strides` apart, in elements.  Refers to both lists.
struct strided_memory {
  const void* first = nullptr;
  long element = 0;  ///< bytes of one
  std::span<const long> sizes, strides;

  template <class T, int Rank>
  strided_memory(const view<T, Rank>& v) : first(v.data), element(sizeof(T)), sizes(v.sizes), strides(v.strides) {}
  strided_memory(const tensor& t);
};

/// True when a byte belongs to both.  Exact: slices that alternate (q, k and v of a joint product) are apart.
/// Arrays of more than eight axes, or laid out against every custom, may be said to overlap where they do not.
bool overlap(const strided_memory& a, const strided_memory& b);

/// True when both have the same elements at the same places: what is written at a place is read nowhere else.
bool same_places(const strided_memory& a, const strided_memory& b);

/// True when two places of the array are the same memory, as with a stride of 0.
bool overlaps_itself(const strided_memory& x);

}  // namespace qkv
