// The loops over a similarity's term: over the channels of one link (double), over those of a tile (lanes).
#pragma once
#include <cstring>

#include "qkv/attention/formula.h"

namespace qkv::detail {

/// A similarity part with its channel weights, contiguous.
template <class Part>
class compiled_similarity {
  static constexpr int learned_count = int(std::tuple_size_v<decltype(Part::parameters)>);

 public:
  compiled_similarity(const Part& part, const tensor* weights) : part_(part), weights_(weights) {}

  double term(std::span<const double> q, std::span<const double> k) const {
    real_scalar sum = 0;
    for (std::size_t c = 0; c < q.size(); ++c)
      sum = sum + channel(real_scalar(q[c]), real_scalar(k[c]), real_scalar(weight(c)));
    return sum.v;
  }
  void term_backward(std::span<const double> q, std::span<const double> k, double ds, double* dq, double* dk,
                     std::span<double* const> gradients) const {
    using D = dual<real_scalar>;
    for (std::size_t c = 0; c < q.size(); ++c) {
      const auto along = [&](int which) {
        return channel(D(q[c], which == 0), D(k[c], which == 1), D(weight(c), which == 2)).slope.v;
      };
      dq[c] += ds * along(0);
      dk[c] += ds * along(1);
      if (has_weights()) gradients[0][c] += ds * along(2);
    }
  }

  template <class Set>
  void similarities(const channel_tile& x, float factor, float* s, long pitch) const {
    using Real = typename Set::real;
    for (long j = 0; j < x.keys; j += Set::width)
      for (long i = 0; i < x.rows; i += 2) {
        Real first(0), second(0);
        for (long c = 0; c < x.channels; ++c) {
          const Real k = load(x.k + c * x.k_pitch + j, Real(0)), w(weight(c));
          const float* const q = x.q + c * x.q_pitch + i;
          first = first + channel(Real(q[0]), k, w);
          second = second + channel(Real(q[1]), k, w);
        }
        store(s + i * pitch + j, first * factor);
        store(s + (i + 1) * pitch + j, second * factor);
      }
  }

  template <class Set>
  void similarities_backward(const channel_tile& x, float factor, const float* ds, long pitch, float* dq, float* dk,
                             std::span<float* const> gradients) const {
    using Real = typename Set::real;
    using D = dual<Real>;
    for (long c = 0; c < x.channels; ++c) {
      Real dw(0);
      for (long i = 0; i < x.rows; ++i) {
        Real of_query(0);
        const Real q(x.q[c * x.q_pitch + i]), w(weight(c));
        for (long j = 0; j < x.keys; j += Set::width) {
          const Real k = load(x.k + c * x.k_pitch + j, Real(0)), d = load(ds + i * pitch + j, Real(0));
          const auto along = [&](int which) {  // what the three have in common is computed once: the compiler sees to it
            return keep(d != Real(0), d * channel(D(q, Real(which == 0)), D(k, Real(which == 1)), D(w, Real(which == 2))).slope);
          };
          of_query = of_query + along(0);
          float* const to_key = dk + c * x.k_pitch + j;
          store(to_key, load(to_key, Real(0)) + along(1) * factor);
          if constexpr (learned_count == 1) dw = dw + along(2);
        }
        dq[c * x.q_pitch + i] += factor * sum(of_query);
      }
      if (has_weights()) gradients[0][c] += factor * sum(dw);
    }
  }

  template <class Set>
  void similarities(const channel_links& x, float factor, float* s) const {
    using Real = typename Set::real;
    for (long n = 0; n < x.links; n += Set::width) {
      Real all(0);
      for (long c = 0; c < x.channels; ++c)
        all = all + channel(load(x.q + c * x.pitch + n, Real(0)), load(x.k + c * x.pitch + n, Real(0)), Real(weight(c)));
      store(s + n, all * factor);
    }
  }

  template <class Set>
  void similarities_backward(const channel_links& x, float factor, const float* ds, float* dq, float* dk,
                             std::span<float* const> gradients) const {
    using Real = typename Set::real;
    using D = dual<Real>;
    for (long c = 0; c < x.channels; ++c) {
      Real dw(0);
      const Real w(weight(c));
      for (long n = 0; n < x.links; n += Set::width) {
        const long at = c * x.pitch + n;
        const Real q = load(x.q + at, Real(0)), k = load(x.k + at, Real(0)), d = load(ds + n, Real(0));
        const auto along = [&](int which) {
          return keep(d != Real(0), d * channel(D(q, Real(which == 0)), D(k, Real(which == 1)), D(w, Real(which == 2))).slope);
        };
        store(dq + at, load(dq + at, Real(0)) + along(0) * factor);
        store(dk + at, load(dk + at, Real(0)) + along(1) * factor);
        if constexpr (learned_count == 1) dw = dw + along(2);
      }
      if (has_weights()) gradients[0][c] += factor * sum(dw);
    }
  }

 private:
  // A matrix is no weight of channels: the queries have it in them already.
  bool has_weights() const { return learned_count == 1 && part_.prepare != vectors::projected; }
  double weight([[maybe_unused]] std::size_t c) const {
    if (!has_weights()) return 1;
    return weights_->type() == dtype::float64 ? weights_->data<double>()[c] : weights_->data<float>()[c];
  }
  template <class R>
  R channel(R q, R k, [[maybe_unused]] R w) const {
    if constexpr (learned_count == 1) return part_.term(q, k, w);
    else return part_.term(q, k);
  }
  template <class Real>
  static Real load(const float* from, Real to) {
    std::memcpy(&to.v, from, sizeof to.v);
    return to;
  }
  template <class Real>
  static void store(float* to, Real x) {
    std::memcpy(to, &x.v, sizeof x.v);
  }

  const Part& part_;
  const tensor* weights_;
};

}  // namespace qkv::detail
