#include "qkv/ops/concatenate.h"

#include <string>

#include "qkv/base/error.h"

namespace qkv {
namespace {

/// The axis counted from the start.
std::size_t axis_of(const tensor& x, int axis, const char* op) {
  const long a = axis < 0 ? axis + x.rank() : axis;
  if (a < 0 || a >= x.rank())
    refuse(op, "an axis of a tensor with " + std::to_string(x.rank()) + " axes", std::to_string(axis));
  return std::size_t(a);
}

/// "[2, any, 4]"
std::string all_but(const shape& s, std::size_t axis) {
  std::string text = "[";
  for (std::size_t i = 0; i < s.size(); ++i) text += (i ? ", " : "") + (i == axis ? "any" : std::to_string(s[i]));
  return text + "]";
}

void expect_part(const tensor& part, const tensor& first, std::size_t axis) {
  constexpr const char* op = "concatenate";
  if (part.empty()) refuse(op, all_but(first.shape(), axis), "nothing");
  shape s = part.shape();
  if (s.size() == first.shape().size()) s[axis] = first.shape()[axis];
  if (s != first.shape()) refuse(op, all_but(first.shape(), axis), to_string(part.shape()));
  if (part.type() != first.type()) refuse(op, name_of(first.type()), name_of(part.type()));
}

}  // namespace

tensor concatenate(std::span<const tensor> parts, int axis) {
  if (parts.empty() || parts[0].empty()) refuse("concatenate", "at least one tensor", "nothing");
  const std::size_t along = axis_of(parts[0], axis, "concatenate");
  shape s = parts[0].shape();
  s[along] = 0;
  for (const tensor& part : parts) {
    expect_part(part, parts[0], along);
    s[along] += part.shape()[along];
  }
  const tensor y = tensor::uninitialized(s, parts[0].type());
  long from = 0;
  for (const tensor& part : parts) {
    const long size = part.shape()[along];
    y.slice(int(along), from, from + size).copy_from(part);
    from += size;
  }
  return y;
}

std::vector<tensor> split(const tensor& x, std::span<const long> sizes, int axis) {
  const std::size_t along = axis_of(x, axis, "split");
  long total = 0;
  for (const long size : sizes) {
    if (size < 0) refuse("split", "sizes of 0 or more", std::to_string(size));
    total += size;
  }
  if (total != x.shape()[along])
    refuse("split", "sizes that sum to " + std::to_string(x.shape()[along]), std::to_string(total));
  std::vector<tensor> parts;
  long from = 0;
  for (const long size : sizes) {
    parts.push_back(x.slice(int(along), from, from + size));
    from += size;
  }
  return parts;
}

}  // namespace qkv
