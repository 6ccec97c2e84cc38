// view: anyone's memory as a strided array.  It owns nothing.
#pragma once
#include <array>
#include <type_traits>

namespace qkv {

/// `sizes` elements along each axis, `strides` apart (in elements, may be 0 or negative).
template <class T, int Rank>
struct view {
  T* data = nullptr;
  std::array<long, Rank> sizes{};
  std::array<long, Rank> strides{};

  /// A dense row-major array.
  static view dense(T* data, std::array<long, Rank> sizes) {
    view v{data, sizes, {}};
    long stride = 1;
    for (int d = Rank - 1; d >= 0; --d) v.strides[d] = stride, stride *= sizes[d];
    return v;
  }
  long size() const {
    long n = 1;
    for (long s : sizes) n *= s;
    return n;
  }
  template <class... I>
    requires(sizeof...(I) == Rank)
  T& operator()(I... at) const {
    long offset = 0, d = 0;
    ((offset += long(at) * strides[d++]), ...);
    return data[offset];
  }
  operator view<const T, Rank>() const
    requires(!std::is_const_v<T>)
  {
    return {data, sizes, strides};
  }
};

}  // namespace qkv
