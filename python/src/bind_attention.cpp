// The calls: fused on float32, the oracle on float64.  They write into arrays that Python made, without the GIL.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "call.h"
#include "qkv/attention/narrow.h"
#include "qkv/attention/oracle.h"
#include "qkv/attention/readable.h"
#include "qkv/attention/second_order.h"

namespace qkv::python {
namespace {

std::tuple<long, long, long> forward(const formula_handle& f, const input<float>& q, const input<float>& k,
                                     const input<float>& v, const layout& how, const array<float, 4>& out,
                                     const array<float, 3>& lse) {
  const problem x = problem_with(q, k, v, how);
  const auto out_view = view_of<4>(out);
  const auto lse_view = view_of<3>(lse);
  const nb::gil_scoped_release others_may_run;
  attention_into(*f.rule, x, out_view, lse_view, kept_workspace());
  const tile_counts tiles = tiles_visited(kept_workspace());
  return {tiles.empty, tiles.partial, tiles.full};
}

// Keys or values of float32, of bfloat16 as the bits of each number, or of int8 with their scales.
narrow_view narrow_view_of(nb::handle numbers, const std::optional<array<const float, 3>>& scales) {
  if (array<const std::int8_t, 4> bytes; scales && nb::try_cast(numbers, bytes, false))
    return quantised{view_of<4>(bytes), view_of<3>(*scales), {}};
  if (array<const std::uint16_t, 4> bits; nb::try_cast(numbers, bits, false)) {
    const view<const std::uint16_t, 4> v = view_of<4>(bits);
    return view<const bfloat16, 4>{reinterpret_cast<const bfloat16*>(v.data), v.sizes, v.strides};
  }
  return view_of<4>(nb::cast<input<float>>(numbers));
}

std::tuple<long, long, long> narrow_forward(const formula_handle& f, const input<float>& q, nb::handle k,
                                            const std::optional<array<const float, 3>>& k_scales, nb::handle v,
                                            const std::optional<array<const float, 3>>& v_scales, const layout& how,
                                            const array<float, 4>& out, const array<float, 3>& lse) {
  const narrow_problem x{view_of<4>(q), narrow_view_of(k, k_scales), narrow_view_of(v, v_scales), alignment_of(how),
                         sequences_of(how)};
  const auto out_view = view_of<4>(out);
  const auto lse_view = view_of<3>(lse);
  const nb::gil_scoped_release others_may_run;
  attention_into(*f.rule, x, out_view, lse_view, kept_workspace());
  const tile_counts tiles = tiles_visited(kept_workspace());
  return {tiles.empty, tiles.partial, tiles.full};
}

void quantise_array(const input<float>& x, const array<std::int8_t, 4>& values, const array<float, 3>& scales) {
  const auto from = view_of<4>(x);
  const auto to = view_of<4>(values);
  const auto of_rows = view_of<3>(scales);
  const nb::gil_scoped_release others_may_run;
  quantise_into(from, to, of_rows);
}

void backward(const formula_handle& f, const input<float>& q, const input<float>& k, const input<float>& v,
              const layout& how, const input<float>& out, const array<const float, 3>& lse, const input<float>& dout,
              const array<float, 4>& dq, const array<float, 4>& dk, const array<float, 4>& dv,
              const std::vector<any_array<float>>& learned) {
  const problem x = problem_with(q, k, v, how);
  const std::vector<float*> gradients = pointers_to(learned);
  const auto out_view = view_of<4>(out), dout_view = view_of<4>(dout);
  const auto lse_view = view_of<3>(lse);
  const auto to_q = view_of<4>(dq), to_k = view_of<4>(dk), to_v = view_of<4>(dv);
  const nb::gil_scoped_release others_may_run;
  attention_backward_into(*f.rule, x, out_view, lse_view, dout_view, to_q, to_k, to_v, gradients, kept_workspace());
}

// Cotangents and results of q, k and v, then the result of dout; a cotangent that is left out counts as zeros.
template <class T>
using three_inputs = std::tuple<std::optional<input<T>>, std::optional<input<T>>, std::optional<input<T>>>;

void second_order(const formula_handle& f, const input<float>& q, const input<float>& k, const input<float>& v,
                  const layout& how, const input<float>& out, const array<const float, 3>& lse,
                  const input<float>& dout, const three_inputs<float>& cotangents, const array<float, 4>& dq,
                  const array<float, 4>& dk, const array<float, 4>& dv, const array<float, 4>& ddout) {
  const problem x = problem_with(q, k, v, how);
  const auto given = [](const auto& a) { return a ? view_of<4>(*a) : view<const float, 4>{}; };
  const auto& [of_dq, of_dk, of_dv] = cotangents;
  const cotangent_views from{given(of_dq), given(of_dk), given(of_dv)};
  const second_gradient_views to{view_of<4>(dq), view_of<4>(dk), view_of<4>(dv), view_of<4>(ddout)};
  const auto out_view = view_of<4>(out), dout_view = view_of<4>(dout);
  const auto lse_view = view_of<3>(lse);
  const nb::gil_scoped_release others_may_run;
  attention_second_order_into(*f.rule, x, out_view, lse_view, dout_view, from, to, kept_workspace());
}

void copy_out(const tensor& from, const any_array<double>& to) {
  const tensor whole = from.to(dtype::float64).to_contiguous();
  std::copy_n(whole.data<double>(), whole.size(), to.data());
}

// Results are contiguous float64 arrays.
void oracle_forward(const formula_handle& f, const input<double>& q, const input<double>& k, const input<double>& v,
                    const layout& how, const any_array<double>& out, const any_array<double>& lse) {
  const auto x = problem_with(q, k, v, how);
  const nb::gil_scoped_release others_may_run;
  const attended done = oracle::forward(*f.rule, x);
  copy_out(done.out, out), copy_out(done.lse, lse);
}

void oracle_backward(const formula_handle& f, const input<double>& q, const input<double>& k, const input<double>& v,
                     const layout& how, const input<double>& dout, const any_array<double>& dq,
                     const any_array<double>& dk, const any_array<double>& dv,
                     const std::vector<any_array<double>>& learned) {
  const auto x = problem_with(q, k, v, how);
  const auto dout_view = view_of<4>(dout);
  const nb::gil_scoped_release others_may_run;
  const attention_gradients g = oracle::backward(*f.rule, x, dout_view);
  copy_out(g.dq, dq), copy_out(g.dk, dk), copy_out(g.dv, dv);
  const auto& parameters = f.rule->parameters();
  for (std::size_t n = 0; n < learned.size(); ++n) copy_out(g[parameters[n].values], learned[n]);
}

void oracle_second_order(const formula_handle& f, const input<double>& q, const input<double>& k,
                         const input<double>& v, const layout& how, const input<double>& dout,
                         const three_inputs<double>& cotangents, const any_array<double>& dq,
                         const any_array<double>& dk, const any_array<double>& dv, const any_array<double>& ddout,
                         const std::vector<any_array<double>>& learned) {
  const auto x = problem_with(q, k, v, how);
  const auto dout_view = view_of<4>(dout);
  const auto given = [](const auto& a) { return a ? tensor_of(*a) : tensor(); };
  const auto& [of_dq, of_dk, of_dv] = cotangents;
  const attention_cotangents from{given(of_dq), given(of_dk), given(of_dv)};
  const nb::gil_scoped_release others_may_run;
  const attention_second_gradients g = oracle::second_order(*f.rule, x, dout_view, from);
  copy_out(g.dq, dq), copy_out(g.dk, dk), copy_out(g.dv, dv), copy_out(g.ddout, ddout);
  const auto& parameters = f.rule->parameters();
  for (std::size_t n = 0; n < learned.size(); ++n) copy_out(g[parameters[n].values], learned[n]);
}

void oracle_weights(const formula_handle& f, const input<double>& q, const input<double>& k, const input<double>& v,
                    const layout& how, const any_array<double>& weights) {
  const auto x = problem_with(q, k, v, how);
  const nb::gil_scoped_release others_may_run;
  copy_out(oracle::weights(*f.rule, x), weights);
}

}  // namespace

void bind_attention(nb::module_& m) {
  m.def("forward", &forward, "Writes out and lse; returns how many tiles were empty, partial and full.");
  m.def("backward", &backward, "Writes dq, dk, dv and adds to the learned ones' gradients.");
  m.def("narrow_forward", &narrow_forward, nb::arg("formula"), nb::arg("q"), nb::arg("k"), nb::arg("k_scales").none(),
        nb::arg("v"), nb::arg("v_scales").none(), nb::arg("layout"), nb::arg("out"), nb::arg("lse"),
        "As forward, keys and values float32, bfloat16 (as uint16) or int8 with scales.");
  m.def("quantise", &quantise_array, "Writes int8 values and the scales of their rows.");
  m.def("second_order", &second_order, "Writes the gradients of <dq, a> + <dk, b> + <dv, c>.");
  m.def("oracle_second_order", &oracle_second_order);
  m.def("oracle_forward", &oracle_forward);
  m.def("oracle_backward", &oracle_backward);
  m.def("oracle_weights", &oracle_weights, "Writes every weight, [B, H, T, S].");
}

}  // namespace qkv::python
