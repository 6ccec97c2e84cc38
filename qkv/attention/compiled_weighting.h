// The loops over a weighting's activation: a row of scores in double or on lanes.
#pragma once
#include <cstring>
#include <limits>

#include "qkv/attention/formula.h"

namespace qkv::detail {

template <class Part>
class compiled_weighting {
 public:
  explicit compiled_weighting(const Part& part) : part_(part) {}

  void activate(std::span<const double> x, double* weight, double* slope) const {
    for (std::size_t j = 0; j < x.size(); ++j) {
      const dual<real_scalar> w = part_.activation(dual<real_scalar>(real_scalar(x[j]), real_scalar(1)));
      weight[j] = w.value.v;
      if (slope) slope[j] = w.slope.v;
    }
  }

  template <class Set>
  void activate(const float* s, long n, float level, float reach, float* weight, float* slope) const {
    using Real = typename Set::real;
    for (long j = 0; j < n; j += Set::width) {
      const Real x = load<Real>(s + j);
      const auto link = x != Real(-std::numeric_limits<float>::infinity());
      if (slope) {
        const dual<Real> w = part_.activation(dual<Real>((x - Real(level)) + Real(reach), Real(1)));
        store(weight + j, keep(link, w.value));
        store(slope + j, keep(link, w.slope));
      } else {
        store(weight + j, keep(link, Real(part_.activation((x - Real(level)) + Real(reach)))));
      }
    }
  }

  template <class Set>
  row_totals totals(const float* s, long n, float level, float reach) const {
    using Real = typename Set::real;
    Real weight(0), slope(0);
    for (long j = 0; j < n; j += Set::width) {
      const Real x = load<Real>(s + j);
      const auto link = x != Real(-std::numeric_limits<float>::infinity());
      const dual<Real> w = part_.activation(dual<Real>((x - Real(level)) + Real(reach), Real(1)));
      weight = weight + keep(link, w.value);
      slope = slope + keep(link, w.slope);
    }
    return {sum(weight), sum(slope)};
  }

 private:
  template <class Real>
  static Real load(const float* from) {
    Real x;
    std::memcpy(&x.v, from, sizeof x.v);
    return x;
  }
  template <class Real>
  static void store(float* to, Real x) {
    std::memcpy(to, &x.v, sizeof x.v);
  }

  const Part& part_;
};

}  // namespace qkv::detail
