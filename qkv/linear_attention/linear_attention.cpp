// The front door, on tensors: feature maps and the normaliser are dealt with here, the recurrence in forward.cpp and
// backward.cpp.
#include "qkv/linear_attention/linear_attention.h"

#include <algorithm>

#include "qkv/base/threads.h"
#include "qkv/linear_attention/check.h"
#include "qkv/linear_attention/recurrence.h"

namespace qkv {
namespace detail {

struct linear_attention_memory {
  linear_attention_options options;
  tensor q, k;                            ///< as given
  tensor features_q, features_k, values;  ///< features applied; values with a column of ones when normalised
  tensor decay, beta;
  tensor out;  ///< of the recurrence: numerators and divisors when normalised
  tensor state;
  kept_states kept;

  recurrence problem() const;
};

recurrence linear_attention_memory::problem() const {
  recurrence x{
      features_q.view<const float, 4>(), features_k.view<const float, 4>(), values.view<const float, 4>(), {}, {},
      float(scale_of(q, options))};
  const long B = k.dim(0), T = k.dim(1), G = k.dim(2), D = k.dim(3);
  if (decay.rank() == 3) {
    const auto& s = decay.strides();
    x.decay = {decay.data<const float>(), {B, T, G, D}, {s[0], s[1], s[2], 0}};
  } else if (decay.rank() == 4) {
    const auto& s = decay.strides();
    x.decay = {decay.data<const float>(), {B, T, G, D}, {s[0], s[1], s[2], 1}};
  }
  if (!beta.empty()) {
    const auto& s = beta.strides();
    x.beta = {beta.data<const float>(), {B, T, G}, {s[0], s[1], beta.dim(2) == G ? s[2] : 0}};
  }
  return x;
}

}  // namespace detail

namespace {

constexpr const char* operation = "linear_attention";
constexpr const char* operation_backward = "linear_attention backward";

/// A tensor as the recurrence takes it: float32 and, with four axes, unit stride in the last one.
tensor readable(const char* name, const tensor& t) {
  if (t.empty()) return t;
  if (t.type() != dtype::float32)
    throw unsupported_error(std::string(operation) + ": expected " + name + " of type float32; found " +
                            name_of(t.type()) + "; convert it with .to(dtype::float32)");
  return t.rank() == 4 && t.dim(3) > 1 && t.strides()[3] != 1 ? t.to_contiguous() : t;
}

/// Calls work(batch, token) for all rows of heads, on all threads.
void each_token(const tensor& x, auto work) {
  if (x.size() == 0) return;
  const long tokens = x.dim(1);
  parallel_for(x.dim(0) * tokens, [&](long n, int) { work(n / tokens, n % tokens); });
}
const float* row_of(const tensor& x, long batch, long token) {
  return x.data<const float>() + batch * x.strides()[0] + token * x.strides()[1];
}

tensor with_features(const feature_map& f, const tensor& x) {
  if (f.is_identity()) return x;
  const tensor y = tensor::uninitialized(x.shape());
  each_token(x, [&](long b, long t) {
    f.apply({x.dim(2), x.dim(3)}, row_of(x, b, t), x.strides()[2], &y.at<float>(b, t, 0, 0), x.dim(3));
  });
  return y;
}
/// From the gradient of f(x) to that of x, in place.
void back_through_features(const feature_map& f, const tensor& x, const tensor& d) {
  if (f.is_identity()) return;
  each_token(x, [&](long b, long t) {
    f.apply_slope({x.dim(2), x.dim(3)}, row_of(x, b, t), x.strides()[2], &d.at<float>(b, t, 0, 0), x.dim(3));
  });
}

/// v with a last column of ones, whose output is the divisor.
tensor with_ones(const tensor& v) {
  shape s = v.shape();
  s[3] += 1;
  const tensor all = tensor::full(s, 1);
  all.slice(3, 0, v.dim(3)).copy_from(v);
  return all;
}

/// Calls work(row of x, row of y) for every token and head; x and y are dense.
void each_pair(const tensor& x, const tensor& y, auto work) {
  const long heads = x.dim(2), x_width = x.dim(3), y_width = y.dim(3);
  parallel_for(x.dim(0) * x.dim(1), [&](long n, int) {
    for (long row = n * heads; row < (n + 1) * heads; ++row)
      work(x.data<float>() + row * x_width, y.data<float>() + row * y_width);
  });
}

/// Numerators over their divisor.
tensor divided(const tensor& sums) {
  const long columns = sums.dim(3) - 1;
  const tensor out = tensor::uninitialized({sums.dim(0), sums.dim(1), sums.dim(2), columns});
  each_pair(sums, out, [&](const float* from, float* to) {
    const float divisor = from[columns];
    for (long e = 0; e < columns; ++e) to[e] = divisor == 0 ? 0 : from[e] / divisor;
  });
  return out;
}
/// From the gradient of the quotients to that of numerators and divisors: d / s, and -(d . n / s) / s.
tensor divided_backward(const tensor& sums, const tensor& dout) {
  const long columns = sums.dim(3) - 1;
  const tensor dsums = tensor::uninitialized(sums.shape());
  const tensor dense = dout.to_contiguous();
  each_pair(dsums, dense, [&](float* to, const float* d) {
    const float* from = sums.data<float>() + (to - dsums.data<float>());
    const float divisor = from[columns];
    double along = 0;
    for (long e = 0; e < columns; ++e) {
      to[e] = divisor == 0 ? 0 : d[e] / divisor;
      along += double(to[e]) * (divisor == 0 ? 0 : from[e] / divisor);
    }
    to[columns] = float(-along);
  });
  return dsums;
}

/// The sum over heads, where all of them share one beta.
tensor shared_by_heads(const tensor& dbeta) {
  const tensor sum({dbeta.dim(0), dbeta.dim(1), 1});
  for (long n = 0; n < sum.size(); ++n)
    for (long g = 0; g < dbeta.dim(2); ++g) sum.data<float>()[n] += dbeta.data<float>()[n * dbeta.dim(2) + g];
  return sum;
}

}  // namespace

linear_attention_run linear_attention_forward(const tensor& q, const tensor& k, const tensor& v,
                                              const linear_attention_options& options) {
  detail::check_linear_attention(operation, q, k, v, options);
  auto memory = std::make_shared<detail::linear_attention_memory>();
  detail::linear_attention_memory& m = *memory;
  m.options = options;
  m.q = readable("q", q), m.k = readable("k", k);
  m.features_q = with_features(options.features, m.q), m.features_k = with_features(options.features, m.k);
  m.values = options.normalise ? with_ones(readable("v", v)) : readable("v", v);
  m.decay = readable("decay", options.decay), m.beta = readable("beta", options.beta);
  const shape state{k.dim(0), k.dim(2), k.dim(3), m.values.dim(3)};
  m.state = options.state.empty() ? tensor(state) : readable("state", options.state).clone();
  m.out = tensor::uninitialized({q.dim(0), q.dim(1), q.dim(2), m.values.dim(3)});
  const detail::recurrence x = m.problem();
  if (options.causal)
    m.kept = detail::run_causal(x, m.out.view<float, 4>(), m.state.view<float, 4>());
  else
    detail::run_all_keys(x, m.out.view<float, 4>(), m.state.view<float, 4>());
  linear_attention_run run;
  run.out = options.normalise ? divided(m.out) : m.out;
  run.state = m.state;
  run.memory_ = std::move(memory);
  return run;
}

linear_attention_gradients linear_attention_run::backward(const tensor& dout, const tensor& dstate) const {
  detail::check_linear_attention_gradients(operation_backward, *this, dout, dstate);
  const detail::linear_attention_memory& m = *memory_;
  const tensor d = m.options.normalise ? divided_backward(m.out, readable("dout", dout)) : readable("dout", dout);
  linear_attention_gradients to;
  to.dq = tensor::uninitialized(m.q.shape()), to.dk = tensor::uninitialized(m.k.shape());
  to.dv = tensor::uninitialized(m.values.shape());
  to.dstate = dstate.empty() ? tensor(m.state.shape()) : readable("dstate", dstate).clone();
  detail::recurrence_gradients memory{to.dq.view<float, 4>(),    to.dk.view<float, 4>(), to.dv.view<float, 4>(), {}, {},
                                      to.dstate.view<float, 4>()};
  if (!m.decay.empty()) {
    to.ddecay = tensor(m.decay.shape());
    const long last = m.decay.rank() == 4 ? m.decay.dim(3) : 1;
    memory.ddecay =
        view<float, 4>::dense(to.ddecay.data<float>(), {m.decay.dim(0), m.decay.dim(1), m.decay.dim(2), last});
  }
  if (!m.beta.empty()) {
    to.dbeta = tensor({m.k.dim(0), m.k.dim(1), m.k.dim(2)});
    memory.dbeta = to.dbeta.view<float, 3>();
  }
  const detail::recurrence x = m.problem();
  if (m.options.causal)
    detail::run_causal_backward(x, m.kept, d.view<const float, 4>(), memory);
  else
    detail::run_all_keys_backward(x, m.state.view<const float, 4>(), d.view<const float, 4>(), memory);
  if (!m.beta.empty() && m.beta.dim(2) != m.k.dim(2)) to.dbeta = shared_by_heads(to.dbeta);
  if (m.options.normalise) to.dv = to.dv.slice(3, 0, m.values.dim(3) - 1).to_contiguous();
  back_through_features(m.options.features, m.q, to.dq);
  back_through_features(m.options.features, m.k, to.dk);
  return to;
}

tensor linear_attention(const tensor& q, const tensor& k, const tensor& v, const linear_attention_options& options) {
  return linear_attention_forward(q, k, v, options).out;
}

}  // namespace qkv
