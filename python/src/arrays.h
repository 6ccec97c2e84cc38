// Arrays of Python as the engine sees them: views of memory that Python keeps.
#pragma once
#include <nanobind/ndarray.h>

#include "qkv/tensor/tensor.h"

namespace qkv::python {

namespace nb = nanobind;

template <class T, int Rank>
using array = nb::ndarray<T, nb::ndim<Rank>, nb::device::cpu>;
template <class T>
using any_array = nb::ndarray<T, nb::device::cpu>;

template <int Rank, class T, class... Kind>
view<T, Rank> view_of(const nb::ndarray<T, Kind...>& a) {
  view<T, Rank> v{a.data(), {}, {}};
  for (int d = 0; d < Rank; ++d) v.sizes[d] = long(a.shape(d)), v.strides[d] = long(a.stride(d));
  return v;
}

/// Borrowed: the array must outlive the tensor.
template <class A>
tensor tensor_of(const A& a) {
  shape sizes;
  std::vector<long> strides;
  for (std::size_t d = 0; d < a.ndim(); ++d) sizes.push_back(long(a.shape(d))), strides.push_back(long(a.stride(d)));
  return tensor::borrow(a.data(), sizes, strides);
}

/// An array of NumPy that keeps the tensor's memory; None for an empty tensor.
template <class T>
nb::object numpy_of(const tensor& t) {
  if (t.empty()) return nb::none();
  auto* const owner = new tensor(t.to_contiguous());
  const nb::capsule keeps(owner, [](void* p) noexcept { delete static_cast<tensor*>(p); });
  const std::vector<std::size_t> sizes(owner->shape().begin(), owner->shape().end());
  return nb::cast(nb::ndarray<nb::numpy, T>(owner->data<T>(), sizes.size(), sizes.data(), keeps));
}

}  // namespace qkv::python
