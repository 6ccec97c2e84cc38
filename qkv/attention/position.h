// Where a link stands: the `at` a lambda receives; and what a lambda looks up by place: tables of whole numbers and
// learned parameters.
#pragma once
#include <cstring>
#include <memory>
#include <vector>

#include "qkv/base/threads.h"
#include "qkv/numbers/dual.h"
#include "qkv/numbers/interval.h"
#include "qkv/numbers/lanes.h"
#include "qkv/numbers/scalar.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// One link between a query and a key.  Index is scalar or lanes of whole numbers, or an interval.
template <class Index>
struct position {
  Index query;    ///< place of the query on the key axis (see alignment: may be below 0 or above `keys`)
  Index key;      ///< place of the key, 0 .. keys-1
  Index head;     ///< query head
  Index batch;    ///< sequence in the batch
  Index row;      ///< the query's own number, 0 .. queries-1; equals `query` when there are as many keys
  Index queries;  ///< number of queries in this sequence
  Index keys;     ///< number of keys in this sequence
};

namespace detail {
// An index per lane, and back: what lookups need, whatever the lanes are.
template <class L> constexpr int lanes_in = int(sizeof(L) / 4);
template <> inline constexpr int lanes_in<whole_scalar> = 1;
template <class L>
std::int64_t lane(const L& x, int n) {
  if constexpr (lanes_in<L> == 1) return x.v;
  else return x.v[n];
}
template <class L>
void set_lane(L& x, int n, std::int32_t value) {
  if constexpr (lanes_in<L> == 1) x.v = value;
  else x.v[n] = value;
}
}  // namespace detail

/// A table as a mask looked it up once; shown to check sizes at the door.
struct table_use {
  const qkv::shape& shape;
  std::int64_t row, column;
};

/// A table's entries, row after row; for kernels.
struct table_entries {
  const std::int32_t* values;
  long rows, columns;
};

/// Whole numbers that a lambda looks up by index: document ids, lengths, flags.  Looking up outside the table reads its
/// nearest entry (an unselected lane may stand anywhere); a table too short for the call is an error at the door.
class table {
 public:
  table(std::vector<std::int64_t> row);
  table(std::initializer_list<std::int64_t> row) : table(std::vector<std::int64_t>(row)) {}
  /// [rows, columns]; one row serves every batch.  Numbers are kept in 32 bits; throws shape_error if one does not fit.
  table(qkv::shape s, std::vector<std::int64_t> values);

  /// [rows, columns] that stand for an array of four axes: [B or 1, H or 1, T or 1, S].
  table(std::int64_t rows, qkv::shape four_axes, std::vector<std::int64_t> values);

  const qkv::shape& shape() const { return shape_; }
  table_entries entries() const { return {values_, rows_, columns_}; }

  /// While one lives, it is shown the scalar lookups of this thread.
  struct recorder {
    function_ref<void(const table_use&)> see;
    recorder* outer = recording;
    explicit recorder(function_ref<void(const table_use&)> f) : see(f) { recording = this; }
    ~recorder() { recording = outer; }
    recorder(const recorder&) = delete;
    recorder& operator=(const recorder&) = delete;
  };

  template <class Index> Index operator[](Index j) const { return lookup(Index(0), j); }
  template <class Index> Index operator[](Index i, Index j) const { return lookup(i, j); }
  interval operator[](interval j) const { return range({0, 0}, j); }
  interval operator[](interval i, interval j) const { return range(i, j); }

 private:
  template <class Index>
  Index lookup(Index i, Index j) const {
    if constexpr (std::same_as<Index, whole_scalar>)
      if (recording) recording->see({shape_, i.v, j.v});
    Index r;
    for (int n = 0; n < detail::lanes_in<Index>; ++n)
      detail::set_lane(r, n, (entry(detail::lane(i, n), detail::lane(j, n))));
    return r;
  }
  std::int32_t entry(long i, long j) const {
    i = i < 0 || rows_ == 1 ? 0 : i >= rows_ ? rows_ - 1 : i;
    j = j < 0 ? 0 : j >= columns_ ? columns_ - 1 : j;
    return values_[i * columns_ + j];
  }
  static thread_local recorder* recording;
  interval range(interval i, interval j) const;  // least and greatest entry of a rectangle

  qkv::shape shape_;
  long rows_ = 1, columns_ = 0;
  std::shared_ptr<const std::vector<std::int32_t>> owner_;
  std::shared_ptr<const std::vector<std::pair<std::int32_t, std::int32_t>>> bounds_;  // of every 64 entries of a row
  const std::int32_t* values_ = nullptr;
};

/// A learned tensor as a part holds it: with the name and the shape letters its checks speak of.
struct parameter {
  tensor values;             ///< float32 or float64, contiguous
  const char* name = "";
  const char* letters = "";  ///< e.g. "H" or "H R"; letters known to the call must match, others are free
};

/// A lookup of a learned tensor, or of an array, outside of it; shown to check sizes at the door.
struct learned_miss {
  const parameter& tensor;
  int axis;
  std::int64_t index;
};

/// What differentiation notes about the learned entries a lambda looked up: entry n of the lambda's lookups, in the
/// order of evaluation (the same for every link, as lambdas do not branch).
template <class Index>
struct lookups {
  static constexpr int most = 16;
  int count = 0;
  int parameter[most];
  int indices[most];  ///< how many indices it was looked up by
  Index offset[most];
  int varied = -1;  ///< the lookup whose derivative is being taken
  /// Of scalar lookups: an index outside the tensor and its axis, or axis -1 where all were inside.
  std::int64_t missed[most];
  int missed_axis[most];
};

/// A learned parameter as a lambda sees it: slope[at.head], bias[at.head, bucket].
template <class Real, class Index>
struct learned {
  const void* data;     // float for lanes; for the oracle float or double
  bool is_double;
  const long* sizes;
  int rank;
  int number;
  lookups<Index>* log = nullptr;

  template <class... I>
  Real operator[](I... at) const {
    static_assert((std::convertible_to<I, Index> && ...),
                  "qkv: a learned parameter is looked up by indices, such as slope[at.head]");
    const Index index[] = {Index(at)...};
    Index offset(0);
    for (int d = 0; d < int(sizeof...(I)) && d < rank; ++d)  // held back: lanes past the last key look too, in vain
      offset = offset * Index(sizes[d]) + min(max(index[d], Index(0)), Index(sizes[d] - 1));
    Real r(0);
    read(value_of(r), offset);
    if constexpr (requires { r.slope; })
      if (log) {
        if (log->varied == log->count) r.slope = decltype(r.slope)(1);
        if (log->count < lookups<Index>::most) {
          log->parameter[log->count] = number;
          log->indices[log->count] = int(sizeof...(I));
          log->offset[log->count] = offset;
          if constexpr (std::same_as<Index, whole_scalar>) {
            log->missed_axis[log->count] = -1;
            for (int d = 0; d < int(sizeof...(I)) && d < rank; ++d)
              if (index[d].v < 0 || index[d].v >= sizes[d])
                log->missed_axis[log->count] = d, log->missed[log->count] = index[d].v;
          }
        }
        ++log->count;
      }
    return r;
  }

 private:
  void read(real_scalar& to, whole_scalar offset) const {
    to = is_double ? static_cast<const double*>(data)[offset.v] : static_cast<const float*>(data)[offset.v];
  }
  // Most lookups are the same for all lanes (slope[at.head]) or run along the keys (bias[at.row, at.key]).
  template <class Lanes>
  void read(Lanes& to, Index offset) const {
    const float* from = static_cast<const float*>(data);
    const std::int32_t first = offset.v[0];
    if (all(offset == Index(first))) to = Lanes(from[first]);
    else if (all(offset == Index::counting_from(first))) std::memcpy(&to.v, from + first, sizeof to.v);
    else
      for (int n = 0; n < detail::lanes_in<Index>; ++n) to.v[n] = from[offset.v[n]];
  }
  template <class R>
  static auto& value_of(R& r) {
    if constexpr (requires { r.value; }) return value_of(r.value);
    else return r;
  }
};

}  // namespace qkv
