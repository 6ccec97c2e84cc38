// Copies between tensors of any strides and element types.
#include <cmath>
#include <cstring>
#include <limits>

#include "qkv/tensor/tensor.h"
#include "qkv/tensor/visit.h"

namespace qkv {
namespace {

/// Calls f(offset of a, offset of b) for the start of every line along the last axis.
template <class Function>
void for_each_line(const shape& s, const std::vector<long>& a, const std::vector<long>& b, Function f) {
  if (count_of(s) == 0) return;
  const std::size_t outer = s.empty() ? 0 : s.size() - 1;
  std::vector<long> at(outer, 0);
  long offset_a = 0, offset_b = 0;
  for (;;) {
    f(offset_a, offset_b);
    std::size_t axis = outer;
    while (axis > 0) {
      --axis;
      offset_a += a[axis];
      offset_b += b[axis];
      if (++at[axis] < s[axis]) break;
      offset_a -= s[axis] * a[axis];
      offset_b -= s[axis] * b[axis];
      at[axis] = 0;
      if (axis == 0) return;
    }
    if (outer == 0) return;
  }
}

template <class To, class From>
To converted(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return bfloat16(float(x));
  } else if constexpr (std::is_integral_v<To>) {
    const double whole = std::trunc(double(x));
    if (!(whole >= std::numeric_limits<To>::min() && whole <= std::numeric_limits<To>::max())) {
      refuse("tensor::to", std::string("values that ") + name_of(dtype_of<To>) + " can hold", std::to_string(double(x)));
    }
    return To(whole);
  } else {
    return To(x);
  }
}

struct line {
  long count, to_stride, from_stride;
};

template <class To, class From>
void copy_line(To* to, const From* from, line l) {
  for (long i = 0; i < l.count; ++i) to[i * l.to_stride] = converted<To>(from[i * l.from_stride]);
}

template <class To, class From>
void copy_elements(const tensor& to, const tensor& from) {
  To* const target = to.data<To>();
  const From* const source = from.data<From>();
  if (to.contiguous() && from.contiguous()) {
    if constexpr (std::is_same_v<To, From>) {
      std::memcpy(target, source, std::size_t(to.size()) * sizeof(To));
    } else {
      copy_line(target, source, {to.size(), 1, 1});
    }
    return;
  }
  const line l{to.dim(-1), to.strides().back(), from.strides().back()};  // a scalar is contiguous, so there is an axis
  for_each_line(to.shape(), to.strides(), from.strides(),
                [&](long t, long f) { copy_line(target + t, source + f, l); });
}

}  // namespace

void tensor::copy_from(const tensor& other) const {
  require_storage("tensor::copy_from");
  if (other.empty() || other.shape_ != shape_) {
    refuse("tensor::copy_from", "a tensor of shape " + to_string(shape_),
           other.empty() ? "an empty one" : to_string(other.shape_));
  }
  visit_type(type_, [&]<class To>(To) {
    visit_type(other.type_, [&]<class From>(From) { copy_elements<To, From>(*this, other); });
  });
}

tensor tensor::clone() const {
  require_storage("tensor::clone");
  tensor t = uninitialized(shape_, type_);
  t.copy_from(*this);
  return t;
}

tensor tensor::to_contiguous() const { return contiguous() ? *this : clone(); }

tensor tensor::to(dtype type) const {
  require_storage("tensor::to");
  if (type == type_) return *this;
  tensor t = uninitialized(shape_, type);
  t.copy_from(*this);
  return t;
}

void tensor::fill(double value) const {
  require_storage("tensor::fill");
  visit_type(type_, [&]<class T>(T) {
    const T element = converted<T>(value);
    T* const first = data<T>();
    const line l = rank() == 0 ? line{1, 0, 0} : line{shape_.back(), strides_.back(), 0};
    for_each_line(shape_, strides_, strides_, [&](long offset, long) { copy_line(first + offset, &element, l); });
  });
}

}  // namespace qkv
