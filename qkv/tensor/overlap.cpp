// Do two places meet?  Place i of one array and place j of another are the same byte when
//     distance + sum over axes of stride * (j - i) = 0,
// each j - i within bounds.  Going from the largest stride down, what the smaller ones can still reach leaves few
// choices for each: one or two in any usual layout.
#include "qkv/tensor/overlap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "qkv/tensor/visit.h"

namespace qkv {
namespace {

struct step {
  long bytes, least, most;  ///< distance = bytes * n for an n from least to most
};

class meeting {
 public:
  /// Adds an axis of strided memory, walked forwards (+1) or backwards (-1).
  void add(long bytes, long size, int direction) {
    if (size == 1 || count_ == most_steps) return full(size);
    if (bytes < 0) direction = -direction, bytes = -bytes;
    steps_[count_++] = direction > 0 ? step{bytes, 0, size - 1} : step{bytes, 1 - size, 0};
  }
  void add(const strided_memory& x, int direction) {
    add(1, x.element, direction);
    for (std::size_t d = 0; d < x.sizes.size(); ++d)
      if (x.strides[d] != 0) add(x.strides[d] * x.element, x.sizes[d], direction);
  }
  /// An axis whose two places both vary.
  void add_both(long bytes, long size) {
    if (size == 1 || count_ == most_steps) return full(size);
    steps_[count_++] = {std::abs(bytes), 1 - size, size - 1};
  }
  bool possible(long distance, bool moved) {
    if (overfull_) return true;
    std::sort(steps_.begin(), steps_.begin() + count_, [](const step& a, const step& b) { return a.bytes < b.bytes; });
    if (moved) merge_equal_steps();  // where it matters whether any step was taken, two that cancel are not none
    return reaches(count_, distance, moved);
  }

 private:
  /// Axes of one stride, as those of slices of the same array, together are one longer axis.
  void merge_equal_steps() {
    int kept = 0;
    for (int i = 1; i < count_; ++i) {
      step& last = steps_[kept];
      if (steps_[i].bytes == last.bytes)
        last.least += steps_[i].least, last.most += steps_[i].most;
      else
        steps_[++kept] = steps_[i];
    }
    count_ = count_ > 0 ? kept + 1 : 0;
  }
  void full(long size) { overfull_ |= size != 1; }
  bool reaches(int steps, long distance, bool moved) {
    if (steps == 0) return distance == 0 && moved;
    if (++tried_ > 4096) return true;
    long least = 0, most = 0;  // of the smaller steps together
    for (int i = 0; i < steps - 1; ++i)
      least += steps_[i].bytes * steps_[i].least, most += steps_[i].bytes * steps_[i].most;
    const step& s = steps_[steps - 1];
    const double from = std::ceil(double(-most - distance) / double(s.bytes));
    const double to = std::floor(double(-least - distance) / double(s.bytes));
    for (long n = std::max(s.least, long(from) - 1), last = std::min(s.most, long(to) + 1); n <= last; ++n) {
      const long rest = distance + n * s.bytes;
      if (-most <= rest && rest <= -least && reaches(steps - 1, rest, moved || n != 0)) return true;
    }
    return false;
  }

  static constexpr int most_steps = 18;
  std::array<step, most_steps> steps_;
  int count_ = 0, tried_ = 0;
  bool overfull_ = false;
};

bool has_no_element(const strided_memory& x) { return std::ranges::find(x.sizes, 0) != x.sizes.end(); }

// Bytes below and above the first element; as double, for strides may be absurd.
std::pair<double, double> reach(const strided_memory& x) {
  double below = 0, above = double(x.element);
  for (std::size_t d = 0; d < x.sizes.size(); ++d) {
    const double bytes = double(x.sizes[d] - 1) * double(x.strides[d]) * double(x.element);
    (bytes < 0 ? below : above) += bytes;
  }
  return {below, above};
}
constexpr double absurd = 0x1p56;

}  // namespace

strided_memory::strided_memory(const tensor& t)
    : element(t.empty() ? 0 : long(size_of(t.type()))), sizes(t.shape()), strides(t.strides()) {
  if (!t.empty()) visit_type(t.type(), [&]<class T>(T) { first = t.data<const T>(); });
}

bool overlap(const strided_memory& a, const strided_memory& b) {
  if (!a.first || !b.first || has_no_element(a) || has_no_element(b)) return false;
  const double distance = double(std::intptr_t(b.first)) - double(std::intptr_t(a.first));
  const auto [a_below, a_above] = reach(a);
  const auto [b_below, b_above] = reach(b);
  if (distance + b_below >= a_above || distance + b_above <= a_below) return false;
  if (std::max({-a_below, a_above, -b_below, b_above}) > absurd) return true;
  meeting m;
  m.add(a, -1), m.add(b, 1);
  return m.possible(long(std::intptr_t(b.first) - std::intptr_t(a.first)), true);
}

bool same_places(const strided_memory& a, const strided_memory& b) {
  bool same = a.first == b.first && a.element == b.element && std::ranges::equal(a.sizes, b.sizes);
  for (std::size_t d = 0; same && d < a.sizes.size(); ++d) same = a.sizes[d] == 1 || a.strides[d] == b.strides[d];
  return same;
}

bool overlaps_itself(const strided_memory& x) {
  if (!x.first || has_no_element(x)) return false;
  const auto [below, above] = reach(x);
  if (std::max(-below, above) > absurd) return true;
  meeting m;
  for (std::size_t d = 0; d < x.sizes.size(); ++d) {
    if (x.strides[d] == 0 && x.sizes[d] > 1) return true;
    m.add_both(x.strides[d] * x.element, x.sizes[d]);
  }
  return m.possible(0, false);
}

}  // namespace qkv
