// The gradient of a gradient by definition.  With F = sum(out * dout), a first gradient is a derivative of F; so
//
//     L = <dF/dq, a> + <dF/dk, b> + <dF/dv, g>
//
// is the derivative of F along the direction (a, b, g), and, since derivatives commute, every gradient of L is the
// derivative along that direction of what F has: dL/dx of dF/dx, for q, k, v and whatever was learned, and dL/ddout of
// dF/ddout = out.  One direction, whatever the formula: the backward pass at four places on it says the derivative.
#include <algorithm>
#include <cmath>

#include "qkv/attention/oracle.h"

namespace qkv::oracle {
namespace {

constexpr const char* operation = "oracle attention second order";

tensor copy_of(const view<const double, 4>& x) {
  const auto [a, b, c, d] = x.sizes;
  tensor t({a, b, c, d}, dtype::float64);
  const auto to = t.view<double, 4>();
  for (long i = 0; i < a; ++i)
    for (long j = 0; j < b; ++j)
      for (long k = 0; k < c; ++k)
        for (long l = 0; l < d; ++l) to(i, j, k, l) = x(i, j, k, l);
  return t;
}

// One of q, k, v, and the direction in which it moves.
class moving {
 public:
  moving(const char* name, const view<const double, 4>& at, const tensor& along) : at_(copy_of(at)) {
    if (along.empty()) return;
    if (along.shape() != at_.shape())
      refuse(operation, std::string("the cotangent of ") + name + " " + to_string(at_.shape()),
             to_string(along.shape()));
    along_ = along.to(dtype::float64).to_contiguous();
  }
  double largest() const {
    double most = 0;
    if (!along_.empty())
      for (double x : along_.values<double>())
        if (std::isfinite(x)) most = std::max(most, std::abs(x));
    return most;
  }
  tensor after(double step) const {
    const tensor moved = at_.clone();
    if (along_.empty()) return moved;
    const auto to = moved.values<double>(), by = along_.values<double>();
    for (std::size_t n = 0; n < to.size(); ++n) to[n] += step * by[n];
    return moved;
  }

 private:
  tensor at_, along_;
};

void add(const tensor& sum, double factor, const tensor& x) {
  const auto to = sum.values<double>(), from = x.values<double>();
  for (std::size_t n = 0; n < to.size(); ++n) to[n] += factor * from[n];
}

}  // namespace

attention_second_gradients second_order(const formula& f, const problem_of<double>& x, view<const double, 4> dout,
                                        const attention_cotangents& cotangents) {
  check(operation, f, x);
  const moving q("dq", x.q, cotangents.dq), k("dk", x.k, cotangents.dk), v("dv", x.v, cotangents.dv);
  const double largest = std::max({q.largest(), k.largest(), v.largest()});
  const double step = 0x1p-10 / (largest == 0 ? 1 : largest);
  attention_second_gradients sum;
  // f'(0) = (8 f(h) - 8 f(-h) - f(2h) + f(-2h)) / 12h + O(h^4)
  for (const auto& [places, factor] : {std::pair{1., 8.}, {-1., -8.}, {2., -1.}, {-2., 1.}}) {
    const tensor q_moved = q.after(places * step), k_moved = k.after(places * step), v_moved = v.after(places * step);
    const problem_of<double> there{q_moved.view<const double, 4>(), k_moved.view<const double, 4>(),
                                   v_moved.view<const double, 4>(), x.align, x.ragged};
    const attention_gradients first = backward(f, there, dout);
    const tensor out = forward(f, there).out;
    if (sum.dq.empty()) {
      const auto zeros = [](const tensor& t) { return tensor(t.shape(), dtype::float64); };
      sum.dq = zeros(first.dq), sum.dk = zeros(first.dk), sum.dv = zeros(first.dv), sum.ddout = zeros(out);
      for (const auto& [handle, gradient] : first.learned) sum.learned.emplace_back(handle, zeros(gradient));
    }
    const double by = factor / (12 * step);
    add(sum.dq, by, first.dq), add(sum.dk, by, first.dk), add(sum.dv, by, first.dv), add(sum.ddout, by, out);
    for (std::size_t n = 0; n < first.learned.size(); ++n) add(sum.learned[n].second, by, first.learned[n].second);
  }
  return sum;
}

}  // namespace qkv::oracle
