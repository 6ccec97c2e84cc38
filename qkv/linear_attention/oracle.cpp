// The recurrences in their own order.  For every key head and token:
//
//     F = exp(g) S_{t-1}      r = v - F' k      u = b r      (u = v for the rules without delta)      S_t = F + k u'
//     n = scale S_t' q        out = n, or n_e / n_E where a column of ones behind v gives the divisor n_E
//
// Backward goes through the same lines from the last to the first.
#include "qkv/linear_attention/oracle.h"

#include <cmath>

#include "qkv/linear_attention/check.h"

namespace qkv::oracle {

using array4 = view<double, 4>;

/// One key head of one sequence.
struct linear_attention_head {
  const linear_attention_run& run;
  long b, g, D, E, columns, tokens;
  double scale;
  const linear_attention_options& options = run.options_;

  linear_attention_head(const linear_attention_run& r, long batch, long head)
      : run(r),
        b(batch),
        g(head),
        D(r.k_.dim(3)),
        E(r.v_.dim(3)),
        columns(r.states_.dim(4)),
        tokens(r.k_.dim(1)),
        scale(detail::scale_of(r.q_, r.options_)) {}

  double state(long t, long d, long e) const { return run.states_.view<double, 5>()(b, g, t, d, e); }
  dual<real_scalar> q(long t, long h, long d) const {
    return options.features.at(run.q_.view<double, 4>()(b, t, h, d));
  }
  dual<real_scalar> k(long t, long d) const { return options.features.at(run.k_.view<double, 4>()(b, t, g, d)); }
  double v(long t, long e) const { return e < E ? run.v_.view<double, 4>()(b, t, g, e) : 1; }
  double fading(long t, long d) const {
    if (options.decay.empty()) return 1;
    return std::exp(options.decay.rank() == 3 ? options.decay.item({b, t, g}) : options.decay.item({b, t, g, d}));
  }
  double beta(long t) const { return options.beta.item({b, t, options.beta.dim(2) == 1 ? 0 : g}); }
  double faded(long t, long d, long e) const { return fading(t, d) * state(t, d, e); }
  /// r above: what the faded state does not yet say of v.
  double residual(long t, long e) const {
    double r = v(t, e);
    for (long d = 0; d < D; ++d) r -= faded(t, d, e) * k(t, d).value.v;
    return r;
  }
  double written(long t, long e) const { return options.beta.empty() ? v(t, e) : beta(t) * residual(t, e); }

  void find_state(long t) const {
    const auto states = run.states_.view<double, 5>();
    for (long e = 0; e < columns; ++e) {
      const double u = written(t, e);
      for (long d = 0; d < D; ++d) states(b, g, t + 1, d, e) = faded(t, d, e) + k(t, d).value.v * u;
    }
  }

  /// n above, from the state that a query reads.
  std::vector<double> read(long t, long h) const {
    std::vector<double> n(columns);
    for (long e = 0; e < columns; ++e)
      for (long d = 0; d < D; ++d) n[e] += scale * q(t, h, d).value.v * state(read_from(t), d, e);
    return n;
  }
  long read_from(long t) const { return options.causal ? t + 1 : tokens; }
  void write_out(long t, long h) const {
    const std::vector<double> n = read(t, h);
    const double divisor = options.normalise ? n[E] : 1;
    for (long e = 0; e < E; ++e) run.out.view<double, 4>()(b, t, h, e) = divisor == 0 ? 0 : n[e] / divisor;
  }

  /// From the gradient of an output to bar n.
  std::vector<double> read_backward(long t, long h, const array4& dout) const {
    const std::vector<double> n = read(t, h);
    std::vector<double> dn(columns);
    if (!options.normalise) {
      for (long e = 0; e < E; ++e) dn[e] = dout(b, t, h, e);
    } else if (n[E] != 0) {
      for (long e = 0; e < E; ++e) dn[e] = dout(b, t, h, e) / n[E], dn[E] -= dout(b, t, h, e) * n[e] / (n[E] * n[E]);
    }
    return dn;
  }
  /// What the queries of place t send back.
  void queries_backward(long t, const array4& dout, const array4& dq, const array4& dstate) const {
    const long group = run.q_.dim(2) / run.k_.dim(2);
    for (long h = g * group; h < (g + 1) * group; ++h) {
      const std::vector<double> dn = read_backward(t, h, dout);
      for (long d = 0; d < D; ++d) {
        const auto query = q(t, h, d);
        for (long e = 0; e < columns; ++e) {
          dstate(b, g, d, e) += scale * query.value.v * dn[e];
          dq(b, t, h, d) += scale * query.slope.v * state(read_from(t), d, e) * dn[e];
        }
      }
    }
  }
  /// Back through one step of the state.
  void step_backward(long t, const linear_attention_gradients& to) const {
    const auto dstate = to.dstate.view<double, 4>(), dk = to.dk.view<double, 4>(), dv = to.dv.view<double, 4>();
    for (long e = 0; e < columns; ++e) {
      const double u = written(t, e), r = residual(t, e);
      double du = 0;
      for (long d = 0; d < D; ++d) du += dstate(b, g, d, e) * k(t, d).value.v;
      const double dr = options.beta.empty() ? du : beta(t) * du;
      if (e < E) dv(b, t, g, e) = dr;
      if (!options.beta.empty()) to.dbeta.at<double>(b, t, to.dbeta.dim(2) == 1 ? 0 : g) += du * r;
      for (long d = 0; d < D; ++d) {
        const auto key = k(t, d);
        dk(b, t, g, d) += key.slope.v * dstate(b, g, d, e) * u;
        if (options.beta.empty()) continue;
        dk(b, t, g, d) -= key.slope.v * faded(t, d, e) * dr;
        dstate(b, g, d, e) -= key.value.v * dr;
      }
    }
    for (long d = 0; d < D; ++d) fade_backward(t, d, to);
  }
  void fade_backward(long t, long d, const linear_attention_gradients& to) const {
    if (options.decay.empty()) return;
    double& dg = to.ddecay.rank() == 3 ? to.ddecay.at<double>(b, t, g) : to.ddecay.at<double>(b, t, g, d);
    for (long e = 0; e < columns; ++e) {
      double& ds = to.dstate.at<double>(b, g, d, e);
      dg += faded(t, d, e) * ds;
      ds *= fading(t, d);
    }
  }
};

linear_attention_run::linear_attention_run(const tensor& q, const tensor& k, const tensor& v,
                                           const linear_attention_options& options)
    : options_(options), q_(q.to(dtype::float64)), k_(k.to(dtype::float64)), v_(v.to(dtype::float64)) {
  detail::check_linear_attention("oracle linear_attention", q, k, v, options);
  const long B = k.dim(0), S = k.dim(1), G = k.dim(2), D = k.dim(3), columns = detail::state_columns(v, options);
  const long group = q.dim(2) / G;
  out = tensor({B, q.dim(1), q.dim(2), v.dim(3)}, dtype::float64);
  states_ = tensor({B, G, S + 1, D, columns}, dtype::float64);
  if (!options.state.empty()) states_.select(2, 0).copy_from(options.state);
  for (long b = 0; b < B; ++b)
    for (long g = 0; g < G; ++g) {
      const linear_attention_head head(*this, b, g);
      for (long t = 0; t < S; ++t) head.find_state(t);
      for (long t = 0; t < q.dim(1); ++t)
        for (long h = g * group; h < (g + 1) * group; ++h) head.write_out(t, h);
    }
  state = states_.select(2, S).clone();
}

linear_attention_gradients linear_attention_run::backward(const tensor& dout, const tensor& dstate) const {
  if (dout.shape() != out.shape())
    refuse("oracle linear_attention backward", "dout " + to_string(out.shape()), "dout " + to_string(dout.shape()));
  const auto zeros = [](const tensor& like) { return like.empty() ? tensor() : tensor(like.shape(), dtype::float64); };
  linear_attention_gradients to{zeros(q_),   zeros(k_), zeros(v_), zeros(options_.decay), zeros(options_.beta),
                                zeros(state)};
  if (!dstate.empty()) to.dstate.copy_from(dstate);
  const tensor d = dout.to(dtype::float64);
  const auto reads = [&](const linear_attention_head& head, long t) {
    head.queries_backward(t, d.view<double, 4>(), to.dq.view<double, 4>(), to.dstate.view<double, 4>());
  };
  for (long b = 0; b < k_.dim(0); ++b)
    for (long g = 0; g < k_.dim(2); ++g) {
      const linear_attention_head head(*this, b, g);
      for (long t = 0; !options_.causal && t < q_.dim(1); ++t) reads(head, t);
      for (long t = k_.dim(1) - 1; t >= 0; --t) {
        if (options_.causal) reads(head, t);
        head.step_backward(t, to);
      }
    }
  return to;
}

}  // namespace qkv::oracle
