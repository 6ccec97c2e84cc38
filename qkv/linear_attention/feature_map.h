// Feature maps: the function of one number that is applied to every channel of queries and keys before they meet.
// A lambda `[](auto x) { return ...; }` is one; it runs on lanes, on doubles (the oracle) and on dual numbers, which
// differentiate it.  Its rules are those of every lambda (qkv/numbers/lanes.h): select, never `if`.
#pragma once
#include <cstring>
#include <memory>

#include "qkv/numbers/dual.h"
#include "qkv/numbers/scalar.h"
#include "qkv/numbers/widest.h"

namespace qkv {

/// Rows of a matrix in memory: `count` of them, `width` numbers each.
struct feature_rows {
  long count, width;
};

/// A feature map of any kind, to be stored and handed about.
class feature_map {
 public:
  /// What answers for a lambda: values and slopes of rows of numbers.  Anything that answers is a feature map.
  struct rule {
    virtual ~rule() = default;
    /// y = f(x); y may be x.
    virtual void apply(feature_rows, const float* x, long x_stride, float* y, long y_stride) const = 0;
    /// d = f'(x) d.
    virtual void apply_slope(feature_rows, const float* x, long x_stride, float* d, long d_stride) const = 0;
    virtual dual<real_scalar> at(dual<real_scalar>) const = 0;
  };

  /// The identity: nothing is computed or copied.
  feature_map() = default;
  explicit feature_map(std::shared_ptr<const rule> given) : rule_(std::move(given)) {}
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, feature_map> && !std::convertible_to<F, std::shared_ptr<const rule>>)
      feature_map(F f) {
    if constexpr (!std::invocable<const F&, real_scalar>)
      static_assert(!sizeof(F),
                    "qkv: a feature map is a lambda [](auto x) { return ...; } of one channel's number, generic, so "
                    "that it also runs on SIMD lanes and derivatives");
    else if constexpr (!std::convertible_to<std::invoke_result_t<const F&, real_scalar>, real_scalar>)
      static_assert(!sizeof(F), "qkv: a feature map returns the new number of its channel");
    else
      rule_ = std::make_shared<const compiled<F>>(f);
  }

  bool is_identity() const { return !rule_; }

  /// y = f(x), row by row; rows are `stride` apart.
  void apply(feature_rows rows, const float* x, long x_stride, float* y, long y_stride) const {
    rule_->apply(rows, x, x_stride, y, y_stride);
  }
  /// d = f'(x) d.
  void apply_slope(feature_rows rows, const float* x, long x_stride, float* d, long d_stride) const {
    rule_->apply_slope(rows, x, x_stride, d, d_stride);
  }
  /// f(x) and f'(x), for the oracle.
  dual<real_scalar> at(double x) const {
    const dual<real_scalar> here(real_scalar(x), real_scalar(1));
    return rule_ ? rule_->at(here) : here;
  }

 private:
  template <class F>
  struct compiled;
  std::shared_ptr<const rule> rule_;
};

template <class F>
struct feature_map::compiled : rule {
  F f;
  explicit compiled(F g) : f(g) {}

  /// Calls body(row, channel, bytes) for every register's worth of every row.  The number of bytes is a constant, which
  /// makes copies of it loads and stores, save for what a row has left at its end.
  template <int Width>
  static void each_register(feature_rows rows, auto body) {
    constexpr std::integral_constant<std::size_t, Width * sizeof(float)> whole;
    for (long i = 0; i < rows.count; ++i) {
      long j = 0;
      for (; j + Width <= rows.width; j += Width) body(i, j, whole);
      if (j < rows.width) body(i, j, std::size_t(rows.width - j) * sizeof(float));
    }
  }

  void apply(feature_rows rows, const float* x, long x_stride, float* y, long y_stride) const override {
    widest([&](auto set) {
      using Real = typename decltype(set)::real;
      each_register<decltype(set)::width>(rows, [&](long i, long j, auto bytes) {
        Real here(0.f);
        std::memcpy(&here.v, x + i * x_stride + j, bytes);
        const Real there = f(here);
        std::memcpy(y + i * y_stride + j, &there.v, bytes);
      });
    });
  }
  void apply_slope(feature_rows rows, const float* x, long x_stride, float* d, long d_stride) const override {
    widest([&](auto set) {
      using Real = typename decltype(set)::real;
      each_register<decltype(set)::width>(rows, [&](long i, long j, auto bytes) {
        Real here(0.f), change(0.f);
        std::memcpy(&here.v, x + i * x_stride + j, bytes);
        std::memcpy(&change.v, d + i * d_stride + j, bytes);
        const dual<Real> there = f(dual<Real>(here, Real(1.f)));
        change = change * there.slope;
        std::memcpy(d + i * d_stride + j, &change.v, bytes);
      });
    });
  }
  dual<real_scalar> at(dual<real_scalar> x) const override { return f(x); }
};

namespace features {

/// x itself.
inline const feature_map identity{};
/// max(x, 0); NaN stays NaN (Kasai et al. 2021, arXiv:2103.13076, without its matrix).
inline const feature_map relu{[](auto x) { return select(x <= 0, decltype(x)(0), x); }};
/// elu(x) + 1: x + 1 above 0, exp(x) below; always positive (Katharopoulos et al. 2020, arXiv:2006.16236, eq. 7).
inline const feature_map elu_plus_one{
    [](auto x) { return select(x > 0, x + 1, exp(select(x > 0, decltype(x)(0), x))); }};

}  // namespace features
}  // namespace qkv
