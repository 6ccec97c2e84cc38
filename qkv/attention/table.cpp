// Tables keep the least and greatest entry of every 64, so that asking about a long range stays cheap.
#include "qkv/attention/position.h"

namespace qkv {
namespace {
constexpr long group = 64;
}

thread_local table::recorder* table::recording = nullptr;

table::table(std::int64_t rows, qkv::shape four_axes, std::vector<std::int64_t> values)
    : table({rows, four_axes.back()}, std::move(values)) {
  shape_ = std::move(four_axes);
}

table::table(std::vector<std::int64_t> row) : table(qkv::shape(1, long(row.size())), std::vector(row)) {}

table::table(qkv::shape s, std::vector<std::int64_t> values) : shape_(std::move(s)) {
  if (shape_.empty() || shape_.size() > 2) refuse("table", "[columns] or [rows, columns]", to_string(shape_));
  if (count_of(shape_) != long(values.size()))
    refuse("table", std::to_string(count_of(shape_)) + " numbers for shape " + to_string(shape_), std::to_string(values.size()));
  if (values.empty()) refuse("table", "at least one number", "none");
  rows_ = shape_.size() == 2 ? shape_[0] : 1;
  columns_ = shape_.back();
  for (auto x : values)
    if (x != std::int32_t(x)) refuse("table", "numbers of 32 bits", std::to_string(x));
  std::vector<std::pair<std::int32_t, std::int32_t>> bounds;
  for (long i = 0; i < rows_; ++i)
    for (long j = 0; j < columns_; j += group) {
      const auto first = values.begin() + i * columns_ + j, last = values.begin() + i * columns_ + std::min(j + group, columns_);
      const auto [lo, hi] = std::minmax_element(first, last);
      bounds.emplace_back(*lo, *hi);
    }
  owner_ = std::make_shared<const std::vector<std::int32_t>>(values.begin(), values.end());
  bounds_ = std::make_shared<const std::vector<std::pair<std::int32_t, std::int32_t>>>(std::move(bounds));
  values_ = owner_->data();
}

interval table::range(interval i, interval j) const {
  const auto held = [](std::int64_t x, long n) { return std::clamp<long>(x, 0, n - 1); };
  const long i0 = held(i.lo, rows_), i1 = held(i.hi, rows_), j0 = held(j.lo, columns_), j1 = held(j.hi, columns_);
  const long groups = (columns_ + group - 1) / group;
  std::int64_t lo = entry(i0, j0), hi = lo;
  for (long a = i0; a <= i1; ++a)
    for (long b = j0; b <= j1;) {
      if (b % group == 0 && (b + group - 1 <= j1 || j1 == columns_ - 1)) {
        const auto& [least, greatest] = (*bounds_)[a * groups + b / group];
        lo = std::min<std::int64_t>(lo, least), hi = std::max<std::int64_t>(hi, greatest);
        b += group;
      } else {
        lo = std::min<std::int64_t>(lo, entry(a, b)), hi = std::max<std::int64_t>(hi, entry(a, b));
        ++b;
      }
    }
  return interval(lo, hi, i.from | j.from);
}

}  // namespace qkv
