#include "qkv/tensor/tensor.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "qkv/base/memory.h"
#include "qkv/tensor/visit.h"

namespace qkv {
namespace {

std::string type_and_shape(const tensor& t) {
  if (t.empty()) return "a tensor without storage";
  return std::string(name_of(t.type())) + " " + to_string(t.shape());
}

/// A handle without elements, to which a borrowed array's first element can be given.
std::shared_ptr<std::byte[]> storage_of_the_caller(std::byte* data) {
  return {std::shared_ptr<std::byte[]>(), data};  // aliases an owner that owns nothing
}

}  // namespace

std::string to_string(const shape& s) {
  std::string text = "[";
  for (std::size_t axis = 0; axis < s.size(); ++axis) text += (axis ? ", " : "") + std::to_string(s[axis]);
  return text + "]";
}

long count_of(const shape& s) {
  for (const long n : s) {
    if (n < 0) refuse("shape", "sizes of 0 or more", to_string(s));
  }
  if (std::ranges::find(s, 0) != s.end()) return 0;
  long count = 1;
  for (const long n : s) {
    if (__builtin_mul_overflow(count, n, &count)) refuse("shape", "fewer than 2^63 elements", to_string(s));
  }
  return count;
}

std::vector<long> row_major_strides(const shape& s) {
  std::vector<long> strides(s.size());
  long stride = 1;
  for (std::size_t axis = s.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= s[axis];
  }
  return strides;
}

tensor tensor::uninitialized(qkv::shape s, dtype type) {
  const long count = count_of(s);
  if (count > std::numeric_limits<long>::max() / long(size_of(type))) {
    refuse("tensor", "fewer than 2^63 bytes", to_string(s) + " of " + name_of(type));
  }
  tensor t;
  t.storage_ = allocate_memory(std::size_t(count) * size_of(type));
  t.data_ = t.storage_.get();
  t.type_ = type;
  t.strides_ = row_major_strides(s);
  t.shape_ = std::move(s);
  return t;
}

tensor::tensor(qkv::shape s, dtype type) : tensor(uninitialized(std::move(s), type)) {
  std::memset(data_, 0, std::size_t(size()) * size_of(type_));
}

template <class T>
tensor::tensor(qkv::shape s, std::vector<T> values) : tensor(uninitialized(std::move(s), dtype_of<T>)) {
  if (long(values.size()) != size()) {
    refuse("tensor", std::to_string(size()) + " values for shape " + to_string(shape_), std::to_string(values.size()));
  }
  std::ranges::copy(values, data<T>());
}

tensor::tensor(qkv::shape s, std::initializer_list<double> values)
    : tensor(std::move(s), std::vector<float>(values.begin(), values.end())) {}

tensor tensor::full(qkv::shape s, double value, dtype type) {
  tensor t = uninitialized(std::move(s), type);
  t.fill(value);
  return t;
}

template <class T>
tensor tensor::borrow(T* data, qkv::shape s, std::vector<long> strides) {
  if (strides.empty()) strides = row_major_strides(s);
  if (strides.size() != s.size()) {
    refuse("tensor::borrow", "one stride for each axis of " + to_string(s), to_string(strides));
  }
  if (!data && count_of(s) != 0) refuse("tensor::borrow", "memory for shape " + to_string(s), "a null pointer");
  tensor t;
  t.data_ = reinterpret_cast<std::byte*>(const_cast<std::remove_const_t<T>*>(data));
  t.storage_ = storage_of_the_caller(t.data_);
  t.type_ = dtype_of<T>;
  t.shape_ = std::move(s);
  t.strides_ = std::move(strides);
  return t;
}

void tensor::require_storage(const char* operation) const {
  if (empty()) refuse(operation, "a tensor with storage", "an empty one");
}

std::size_t tensor::axis_of(const char* operation, int axis) const {
  const long positive = axis < 0 ? axis + rank() : axis;
  if (positive < 0 || positive >= rank()) {
    refuse(operation, "an axis of " + type_and_shape(*this), "axis " + std::to_string(axis));
  }
  return std::size_t(positive);
}

long tensor::dim(int axis) const { return shape_[axis_of("tensor::dim", axis)]; }

bool tensor::contiguous() const {
  if (size() == 0) return true;
  long stride = 1;
  for (std::size_t axis = shape_.size(); axis-- > 0;) {
    if (shape_[axis] != 1 && strides_[axis] != stride) return false;
    stride *= shape_[axis];
  }
  return true;
}

template <class T>
T* tensor::data() const {
  if (empty() || type_ != dtype_of<T>) {
    throw unsupported_error("tensor::data: expected " + std::string(name_of(dtype_of<T>)) + " elements; found " +
                            type_and_shape(*this) + "; convert with to()");
  }
  return reinterpret_cast<T*>(data_);
}

template <class T>
std::span<T> tensor::values() const {
  T* first = data<T>();
  if (!contiguous()) {
    refuse("tensor::values", "a contiguous tensor",
           "strides " + to_string(strides_) + " for shape " + to_string(shape_) + "; use to_contiguous() first");
  }
  return {first, std::size_t(size())};
}

template <class T, int Rank>
view<T, Rank> tensor::view() const {
  if (rank() != Rank) refuse("tensor::view", "rank " + std::to_string(Rank), type_and_shape(*this));
  qkv::view<T, Rank> v;
  v.data = data<T>();
  std::ranges::copy(shape_, v.sizes.begin());
  std::ranges::copy(strides_, v.strides.begin());
  return v;
}

long tensor::offset_of(std::span<const long> index) const {
  bool inside = index.size() == shape_.size();
  long offset = 0;
  for (std::size_t axis = 0; inside && axis < index.size(); ++axis) {
    inside = index[axis] >= 0 && index[axis] < shape_[axis];
    offset += index[axis] * strides_[axis];
  }
  if (!inside) {
    refuse("tensor::at", "an index of " + type_and_shape(*this), to_string(qkv::shape(index.begin(), index.end())));
  }
  return offset;
}

double tensor::item(std::initializer_list<long> index) const {
  require_storage("tensor::item");
  const long offset = index.size() == 0 && size() == 1 ? 0 : offset_of({index.begin(), index.size()});
  return visit_type(type_, [&]<class T>(T) { return double(reinterpret_cast<const T*>(data_)[offset]); });
}

bool tensor::same_as(const tensor& other) const {
  return data_ == other.data_ && type_ == other.type_ && shape_ == other.shape_ && strides_ == other.strides_;
}

// The element types and ranks there are.
#define QKV_INSTANTIATE_ACCESS(T)                          \
  template T* tensor::data<T>() const;                     \
  template std::span<T> tensor::values<T>() const;         \
  template tensor tensor::borrow(T*, qkv::shape, std::vector<long>); \
  template qkv::view<T, 1> tensor::view<T, 1>() const;     \
  template qkv::view<T, 2> tensor::view<T, 2>() const;     \
  template qkv::view<T, 3> tensor::view<T, 3>() const;     \
  template qkv::view<T, 4> tensor::view<T, 4>() const;     \
  template qkv::view<T, 5> tensor::view<T, 5>() const
#define QKV_INSTANTIATE(T)                                \
  template tensor::tensor(qkv::shape, std::vector<T>);    \
  QKV_INSTANTIATE_ACCESS(T);                              \
  QKV_INSTANTIATE_ACCESS(const T)
QKV_INSTANTIATE(float);
QKV_INSTANTIATE(bfloat16);
QKV_INSTANTIATE(std::int32_t);
QKV_INSTANTIATE(std::int8_t);
QKV_INSTANTIATE(double);
#undef QKV_INSTANTIATE
#undef QKV_INSTANTIATE_ACCESS

}  // namespace qkv
