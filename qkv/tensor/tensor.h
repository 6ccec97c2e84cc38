// tensor: a typed, strided array with shared storage.  Copying a tensor copies a handle.
#pragma once
#include <array>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "qkv/base/error.h"
#include "qkv/tensor/dtype.h"
#include "qkv/tensor/view.h"

namespace qkv {

using shape = std::vector<long>;

std::string to_string(const shape& s);  ///< "[2, 3]"
/// Product of the sizes; 1 for a scalar.  Throws shape_error for a negative size or a product of 2^63 or more.
long count_of(const shape& s);
std::vector<long> row_major_strides(const shape& s);

class tensor {
 public:
  tensor() = default;  ///< no storage; empty() is true

  /// Zeros.
  explicit tensor(qkv::shape s, dtype type = dtype::float32);
  /// The given values, row-major.  Throws shape_error if their number is not the product of the sizes.
  template <class T>
  tensor(qkv::shape s, std::vector<T> values);
  tensor(qkv::shape s, std::initializer_list<double> values);  ///< float32
  /// Contents undefined; for results about to be written.
  static tensor uninitialized(qkv::shape s, dtype type = dtype::float32);
  static tensor full(qkv::shape s, double value, dtype type = dtype::float32);
  /// A view of memory that the caller keeps alive.  Strides in elements; none means row-major.  What is borrowed as
  /// const must not be written through the tensor.
  template <class T>
  static tensor borrow(T* data, qkv::shape s, std::vector<long> strides = {});

  bool empty() const { return !storage_; }
  dtype type() const { return type_; }
  const qkv::shape& shape() const { return shape_; }
  const std::vector<long>& strides() const { return strides_; }
  long rank() const { return long(shape_.size()); }
  long dim(int axis) const;    ///< negative axes count from the end; throws shape_error when out of range
  long size() const { return empty() ? 0 : count_of(shape_); }
  bool contiguous() const;     ///< row-major without gaps

  // T is float, bfloat16, std::int32_t or double, const or not; ranks of views are 1 to 5.

  /// The first element.  Throws unsupported_error when T is not the tensor's type.
  template <class T>
  T* data() const;
  template <class T>
  std::span<T> values() const;  ///< all elements of a contiguous tensor; throws shape_error otherwise

  /// One element, with its index checked; throws shape_error when it is outside.
  template <class T, class... I>
  T& at(I... index) const {
    const std::array<long, sizeof...(I)> i{long(index)...};
    return data<T>()[offset_of(i)];
  }
  /// One element of any type, as double; without an index, the only one.
  double item(std::initializer_list<long> index = {}) const;

  template <class T, int Rank>
  qkv::view<T, Rank> view() const;  ///< throws shape_error when the rank differs

  // Views: share storage, copy nothing.  Axes may be negative, from the end; indices may not.
  tensor slice(int axis, long from, long to) const;  ///< 0 <= from <= to <= dim(axis)
  tensor select(int axis, long index) const;         ///< drops the axis
  tensor transpose(int a, int b) const;
  tensor reshape(qkv::shape s) const;  ///< one size may be -1; copies when the strides do not allow a view

  // Copies.
  tensor to_contiguous() const;  ///< itself if it is already
  /// Itself if it has that type.  To int32 rounds toward zero; throws shape_error if a value does not fit.
  tensor to(dtype type) const;
  tensor clone() const;
  void copy_from(const tensor& other) const;  ///< same shape, any type, no overlap
  void fill(double value) const;

  /// True when both handles name the same elements: same storage, offset, shape and strides.
  bool same_as(const tensor& other) const;

 private:
  long offset_of(std::span<const long> index) const;
  void require_storage(const char* operation) const;
  std::size_t axis_of(const char* operation, int axis) const;
  std::shared_ptr<std::byte[]> storage_;
  std::byte* data_ = nullptr;
  dtype type_ = dtype::float32;
  qkv::shape shape_;
  std::vector<long> strides_;
};

}  // namespace qkv
