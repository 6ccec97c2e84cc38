// compiled_formula: the formula of a variant written in C++.  Its loops over a tile are compiled for every instruction
// set (numbers/widest.h); one virtual call covers a tile.
#pragma once
#include <memory>

#include "qkv/attention/compiled_similarity.h"
#include "qkv/attention/compiled_weighting.h"
#include "qkv/attention/lane_memory.h"
#include "qkv/attention/problem.h"
#include "qkv/attention/score_lookups.h"
#include "qkv/attention/variant.h"
#include "qkv/numbers/widest.h"

namespace qkv::detail {

template <class... Parts>
class compiled_formula final : public formula {
  static_assert((0 + ... + int(is_mask<Parts>)) <= 1, "qkv: two masks in one call; join them with & or |");
  static_assert((0 + ... + int(is_similarity<Parts>)) <= 1, "qkv: two similarities in one call");
  static_assert((0 + ... + int(is_weighting<Parts>)) <= 1, "qkv: two weightings in one call");
  static_assert((0 + ... + int(std::same_as<Parts, scale_part>)) <= 1, "qkv: two scales in one call");
  static_assert((0 + ... + int(std::same_as<Parts, alignment>)) <= 1, "qkv: two alignments in one call");
  static_assert((0 + ... + int(std::same_as<Parts, attention_dropout>)) <= 1, "qkv: two dropouts in one call");
  static_assert((0 + ... + int(std::same_as<Parts, sequences>)) <= 1, "qkv: two layouts in one call");

  std::tuple<Parts...> parts_;
  std::vector<parameter> parameters_;  // as given
  std::vector<tensor> values_;         // the same, contiguous

  template <class Match>
  static constexpr int index_of([[maybe_unused]] Match match) {
    const bool hit[] = {match.template operator()<Parts>()..., false};
    for (int i = 0; i < int(sizeof...(Parts)); ++i)
      if (hit[i]) return i;
    return -1;
  }
  static constexpr int mask_index = index_of([]<class T>() { return is_mask<T>; });
  static constexpr int similarity_index = index_of([]<class T>() { return is_similarity<T>; });
  static constexpr int weighting_index = index_of([]<class T>() { return is_weighting<T>; });
  static constexpr int scale_index = index_of([]<class T>() { return std::same_as<T, scale_part>; });
  static constexpr int dropout_index = index_of([]<class T>() { return std::same_as<T, attention_dropout>; });
  static constexpr bool has_scores = (false || ... || is_score<Parts>);

  const auto& mask_part() const {
    if constexpr (mask_index < 0) return everything;
    else return std::get<mask_index>(parts_);
  }
  const auto& similarity_part() const {
    if constexpr (similarity_index < 0) return dot;
    else return std::get<similarity_index>(parts_);
  }
  const auto& weighting_part() const {
    if constexpr (weighting_index < 0) return softmax;
    else return std::get<weighting_index>(parts_);
  }
  int similarity_parameters() const { return int(similarity_part().parameters.size()); }

  template <class Real, class Index>
  learned<Real, Index> accessor(int number, lookups<Index>* log) const {
    const tensor& t = values_[number];
    const bool is_double = t.type() == dtype::float64;
    return {is_double ? static_cast<const void*>(t.data<double>()) : t.data<float>(), is_double, t.shape().data(),
            int(t.rank()), number, log};
  }

  // All score parts, from left to right.
  template <class Real, class Index>
  Real scored(Real s, const position<Index>& at, lookups<Index>* log = nullptr) const {
    [[maybe_unused]] int number = similarity_parameters();
    [[maybe_unused]] const auto apply = [&]<class P>(const P& part) {
      if constexpr (is_score<P>) {
        constexpr auto count = std::tuple_size_v<decltype(part.parameters)>;
        [&]<std::size_t... I>(std::index_sequence<I...>) {
          using R = decltype(part(s, at, accessor<Real, Index>(int(number + I), log)...));
          if constexpr (!std::convertible_to<R, Real>)
            static_assert(never<R>, "qkv: a score lambda returns the new score, a number");
          else
            s = part(s, at, accessor<Real, Index>(int(number + I), log)...);
        }(std::make_index_sequence<count>());
        number += int(count);
      }
    };
    std::apply([&](const auto&... p) { (apply(p), ...); }, parts_);
    return s;
  }

  template <class Index>
  static position<Index> place(const tile& t, long i, Index key) {
    return {Index(t.offset + t.row + i), key, Index(t.head), Index(t.batch), Index(t.row + i), Index(t.all_rows),
            Index(t.all_keys)};
  }
  static void each_link(const tile& t, auto f) {
    for (long i = 0; i < t.rows; ++i)
      for (long j = 0; j < t.keys; ++j) f(i, j);
  }

 public:
  explicit compiled_formula(std::tuple<Parts...> p) : parts_(std::move(p)) {
    const auto add = [&](const auto& some) {
      for (const parameter& one : some) parameters_.push_back(one), values_.push_back(one.values.to_contiguous());
    };
    add(similarity_part().parameters);
    const auto add_score = [&]<class P>(const P& part) {
      if constexpr (is_score<P>) add(part.parameters);
    };
    std::apply([&](const auto&... part) { (add_score(part), ...); }, parts_);
    add(weighting_part().sink);
    check_lookups([&](auto... x) { return scored(x...); }, parameters_);
  }

  part_names names() const override { return {similarity_part().name, weighting_part().name}; }
  const std::vector<parameter>& parameters() const override { return parameters_; }

  bool masks() const override { return mask_index >= 0; }
  coverage classify(const position<interval>& at) const override {
    if constexpr (std::convertible_to<decltype(mask_part()(at)), coverage>) return mask_part()(at);
    else static_assert(never<decltype(at)>, "qkv: a mask lambda answers yes or no, as at.query >= at.key does");
  }
  void keep(const tile& t, bool* keep) const override {
    each_link(t, [&](long i, long j) {
      if constexpr (requires(position<whole_scalar> at) { scalar<bool>(mask_part()(at)); })  // else classify says why
        keep[i * t.keys + j] = scalar<bool>(mask_part()(place<whole_scalar>(t, i, t.key + j))).v;
    });
  }
  void tables(const tile& t, function_ref<void(const table_use&)> see) const override {
    const table::recorder recorder(see);
    const tile one{t.batch, t.head, t.row, 1, t.key, 1, t.offset, t.all_rows, t.all_keys};
    bool kept = false;
    double s = 1;
    keep(one, &kept);
    if (has_scores && kept) score(one, &s);
  }
  void keep(const tile& t, std::int32_t* truth, long pitch) const override {
    widest([&](auto set) {
      using Index = typename decltype(set)::index;
      for (long i = 0; i < t.rows; ++i)
        for (long j = 0; j < t.keys; j += decltype(set)::width) {
          const auto at = place<Index>(t, i, keys_at<Index>(t, j));
          if constexpr (requires { static_cast<typename Index::truth>(mask_part()(at)); }) {
            store_lanes(truth + i * pitch + j, typename Index::truth(mask_part()(at)));
          }
        }
    });
  }

  vectors prepare() const override { return similarity_part().prepare; }
  form similarity_form() const override { return similarity_part().form; }
  double scale(long channels) const override {
    if constexpr (scale_index >= 0) return std::get<scale_index>(parts_).factor;
    else return similarity_part().scale == scaling::inverse_sqrt && channels > 0 ? 1 / std::sqrt(double(channels)) : 1;
  }
  double term(std::span<const double> q, std::span<const double> k) const override { return similar().term(q, k); }
  void term_backward(std::span<const double> q, std::span<const double> k, double ds, double* dq, double* dk,
                     std::span<double* const> gradients) const override {
    similar().term_backward(q, k, ds, dq, dk, gradients);
  }
  const tensor* projection() const override { return prepare() == vectors::projected ? &values_.front() : nullptr; }
  void similarities(const channel_tile& x, float factor, float* s, long pitch) const override {
    widest([&](auto set) { similar().template similarities<decltype(set)>(x, factor, s, pitch); });
  }
  void similarities_backward(const channel_tile& x, float factor, const float* ds, long pitch, float* dq, float* dk,
                             std::span<float* const> gradients) const override {
    widest([&](auto set) {
      similar().template similarities_backward<decltype(set)>(x, factor, ds, pitch, dq, dk, gradients);
    });
  }
  void similarities(const channel_links& x, float factor, float* s) const override {
    widest([&](auto set) { similar().template similarities<decltype(set)>(x, factor, s); });
  }
  void similarities_backward(const channel_links& x, float factor, const float* ds, float* dq, float* dk,
                             std::span<float* const> gradients) const override {
    widest([&](auto set) { similar().template similarities_backward<decltype(set)>(x, factor, ds, dq, dk, gradients); });
  }

  bool scores() const override { return has_scores; }
  void misses(const tile& t, function_ref<void(const learned_miss&)> see) const override {
    if (parameters_.empty()) return;
    each_miss([&](auto... x) { return scored(x...); }, parameters_, place<whole_scalar>(t, 0, t.key), see);
  }
  void score(const tile& t, double* s) const override {
    each_link(t, [&](long i, long j) {
      double& x = s[i * t.keys + j];
      x = scored(real_scalar(x), place<whole_scalar>(t, i, t.key + j)).v;
    });
  }
  void score_backward(const tile& t, const double* s, double* ds, std::span<double* const> gradients) const override {
    using D = dual<real_scalar>;
    each_link(t, [&](long i, long j) {
      double& d = ds[i * t.keys + j];
      if (d == 0) return;
      const double x = s[i * t.keys + j];
      const auto at = place<whole_scalar>(t, i, t.key + j);
      lookups<whole_scalar> log;
      const double slope = scored(D(x, 1), at, &log).slope.v;
      for (int l = 0; l < log.count; ++l) {
        lookups<whole_scalar> one;
        one.varied = l;
        gradients[log.parameter[l]][log.offset[l].v] += d * scored(D(x, 0), at, &one).slope.v;
      }
      d *= slope;
    });
  }
  void score(const tile& t, float* s, long pitch) const override {
    if constexpr (has_scores) widest([&](auto set) {
      using Real = typename decltype(set)::real;
      using Index = typename decltype(set)::index;
      for (long i = 0; i < t.rows; ++i)
        for (long j = 0; j < t.keys; j += decltype(set)::width) {
          const Real x = load_lanes<Real>(s + i * pitch + j);
          store_lanes(s + i * pitch + j, scored(x, place<Index>(t, i, keys_at<Index>(t, j))));
        }
    });
  }
  void score_backward(const tile& t, const float* s, float* ds, long pitch,
                      std::span<float* const> gradients) const override {
    if constexpr (has_scores) widest([&](auto set) {
      using Real = typename decltype(set)::real;
      using Index = typename decltype(set)::index;
      using D = dual<Real>;
      for (long i = 0; i < t.rows; ++i)
        for (long j = 0; j < t.keys; j += decltype(set)::width) {
          const Real x = load_lanes<Real>(s + i * pitch + j), d = load_lanes<Real>(ds + i * pitch + j);
          const auto at = place<Index>(t, i, keys_at<Index>(t, j));
          const auto live = d != Real(0);
          lookups<Index> log;
          log.count = 0;
          const Real slope = scored(D(x, Real(1)), at, &log).slope;
          for (int l = 0; l < log.count; ++l) {
            lookups<Index> one;
            one.count = 0;
            one.varied = l;
            add_to(gradients[log.parameter[l]], log.offset[l], keep_where(live, d * scored(D(x, Real(0)), at, &one).slope));
          }
          store_lanes(ds + i * pitch + j, keep_where(live, d * slope));
        }
    });
  }

  void activate(std::span<const double> x, double* weight, double* slope) const override {
    weigh().activate(x, weight, slope);
  }
  void activate(const float* s, long n, float level, float reach, float* weight, float* slope) const override {
    widest([&](auto set) { weigh().template activate<decltype(set)>(s, n, level, reach, weight, slope); });
  }
  row_totals activation_totals(const float* s, long n, float level, float reach) const override {
    row_totals totals{};
    widest([&](auto set) { totals = weigh().template totals<decltype(set)>(s, n, level, reach); });
    return totals;
  }
  normalised sum_to_one() const override { return weighting_part().sum_to_one; }
  closed closed_form() const override { return weighting_part().closed; }
  const row_rule& row() const override { return weighting_part().row; }
  const tensor* sink() const override {
    return weighting_part().sink.empty() ? nullptr : &values_.back();
  }
  attention_dropout dropout() const override {
    if constexpr (dropout_index >= 0) return std::get<dropout_index>(parts_);
    else return {};
  }

  /// Fills in alignment and layout.
  template <class T>
  problem_of<T> with(problem_of<T> x) const {
    [[maybe_unused]] const auto take = [&]<class P>(const P& part) {
      if constexpr (std::same_as<P, alignment>) x.align = part;
      if constexpr (std::same_as<P, sequences>) x.ragged = part;
    };
    std::apply([&](const auto&... p) { (take(p), ...); }, parts_);
    return x;
  }

 private:
  auto similar() const { return compiled_similarity(similarity_part(), values_.data()); }
  auto weigh() const { return compiled_weighting(weighting_part()); }
  template <class Truth, class Real>
  static Real keep_where(Truth c, Real x) {
    return select(c, x, Real(0));
  }
  template <class Index, class Real>
  static void add_to(float* gradient, Index offset, Real x) {
    if (all(offset == Index(offset.v[0]))) gradient[offset.v[0]] += sum(x);  // slope[at.head]: one entry for all
    else
      for (int n = 0; n < lanes_in<Index>; ++n) gradient[offset.v[n]] += x.v[n];
  }
};

template <class... Parts>
auto formula_for(const std::tuple<Parts...>& parts) {
  return std::make_shared<const compiled_formula<Parts...>>(parts);
}

}  // namespace qkv::detail
