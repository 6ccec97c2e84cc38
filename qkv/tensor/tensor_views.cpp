// Tensors that share storage: slices, transposes, reshapes.
#include <algorithm>
#include <optional>
#include <utility>

#include "qkv/tensor/tensor.h"

namespace qkv {
namespace {

std::string axis_in_words(int axis, const shape& s) {
  return " for axis " + std::to_string(axis) + " of " + to_string(s);
}

/// The new shape with its -1 replaced by the size that fits.
shape with_inferred_size(const tensor& t, shape wanted) {
  const std::string expected =
      "a shape of " + std::to_string(t.size()) + " elements, as " + to_string(t.shape()) + " has";
  const std::string found = to_string(wanted);
  const auto unknown = std::ranges::find(wanted, -1);
  if (unknown != wanted.end()) {
    *unknown = 1;
    const long known = count_of(wanted);
    if (known == 0 || t.size() % known != 0) refuse("tensor::reshape", expected, found);
    *unknown = t.size() / known;
  }
  if (count_of(wanted) != t.size()) refuse("tensor::reshape", expected, found);
  return wanted;
}

/// Strides that show the same elements in the same order under another shape of the same size, if there are any.
/// Runs of axes that lie densely in memory are one long axis, which the new shape may cut anew.
std::optional<std::vector<long>> strides_for(const tensor& t, const shape& wanted) {
  if (t.contiguous()) return row_major_strides(wanted);
  struct axis {
    long size, stride;
  };
  std::vector<axis> runs;
  for (std::size_t a = 0; a < t.shape().size(); ++a) {
    const axis now{t.shape()[a], t.strides()[a]};
    if (now.size == 1) continue;  // its stride means nothing
    if (!runs.empty() && runs.back().stride == now.size * now.stride) {
      runs.back() = {runs.back().size * now.size, now.stride};
    } else {
      runs.push_back(now);
    }
  }
  std::vector<long> strides(wanted.size());
  std::size_t next = wanted.size();  // both lists are walked from the last axis
  for (; !runs.empty(); runs.pop_back()) {
    long covered = 1;
    while (next > 0 && covered < runs.back().size) {
      strides[--next] = runs.back().stride * covered;
      covered *= wanted[next];
    }
    if (covered != runs.back().size) return std::nullopt;
  }
  for (; next > 0; --next) strides[next - 1] = next < wanted.size() ? strides[next] * wanted[next] : 1;  // sizes 1
  return strides;
}

}  // namespace

tensor tensor::slice(int axis, long from, long to) const {
  const std::size_t a = axis_of("tensor::slice", axis);
  if (from < 0 || from > to || to > shape_[a]) {
    refuse("tensor::slice", "0 <= from <= to <= " + std::to_string(shape_[a]) + axis_in_words(axis, shape_),
           "from " + std::to_string(from) + " to " + std::to_string(to));
  }
  tensor t = *this;
  t.shape_[a] = to - from;
  if (from < to) t.data_ += from * strides_[a] * long(size_of(type_));
  return t;
}

tensor tensor::select(int axis, long index) const {
  const std::size_t a = axis_of("tensor::select", axis);
  if (index < 0 || index >= shape_[a]) {
    refuse("tensor::select", "an index from 0 to " + std::to_string(shape_[a] - 1) + axis_in_words(axis, shape_),
           std::to_string(index));
  }
  tensor t = slice(axis, index, index + 1);
  t.shape_.erase(t.shape_.begin() + long(a));
  t.strides_.erase(t.strides_.begin() + long(a));
  return t;
}

tensor tensor::transpose(int a, int b) const {
  const std::size_t first = axis_of("tensor::transpose", a), second = axis_of("tensor::transpose", b);
  tensor t = *this;
  std::swap(t.shape_[first], t.shape_[second]);
  std::swap(t.strides_[first], t.strides_[second]);
  return t;
}

tensor tensor::reshape(qkv::shape s) const {
  require_storage("tensor::reshape");
  qkv::shape wanted = with_inferred_size(*this, std::move(s));
  tensor t = *this;
  if (auto strides = strides_for(*this, wanted)) {
    t.strides_ = std::move(*strides);
    t.shape_ = std::move(wanted);
    return t;
  }
  return clone().reshape(std::move(wanted));
}

}  // namespace qkv
