// The calls: fused on float32, the oracle on float64.  They write into arrays that Python made, without the GIL.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bind.h"
#include "formula_handle.h"
#include "qkv/attention/attention.h"
#include "qkv/attention/oracle.h"

namespace qkv::python {
namespace {

using layout = std::tuple<bool, long, std::string, std::vector<long>, std::vector<long>>;  // from_end, offset, ragged

template <class T>
using input = array<const T, 4>;

template <class T>
problem_of<T> problem_with(const input<T>& q, const input<T>& k, const input<T>& v, const layout& how) {
  const auto& [from_end, offset, kind, queries, keys] = how;
  const auto ragged = kind == "packed" ? sequences::packed_ : kind == "padded" ? sequences::padded_ : sequences::whole;
  return {view_of<4>(q), view_of<4>(k), view_of<4>(v), {from_end, offset}, {ragged, queries, keys}};
}

// One a thread, kept from call to call.
workspace& kept_workspace() {
  static thread_local workspace w;
  return w;
}

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

void backward(const formula_handle& f, const input<float>& q, const input<float>& k, const input<float>& v,
              const layout& how, const input<float>& out, const array<const float, 3>& lse, const input<float>& dout,
              const array<float, 4>& dq, const array<float, 4>& dk, const array<float, 4>& dv,
              const std::vector<any_array<float>>& learned) {
  const problem x = problem_with(q, k, v, how);
  std::vector<float*> gradients;
  for (const auto& a : learned) gradients.push_back(a.data());
  const auto out_view = view_of<4>(out), dout_view = view_of<4>(dout);
  const auto lse_view = view_of<3>(lse);
  const auto to_q = view_of<4>(dq), to_k = view_of<4>(dk), to_v = view_of<4>(dv);
  const nb::gil_scoped_release others_may_run;
  attention_backward_into(*f.rule, x, out_view, lse_view, dout_view, to_q, to_k, to_v, gradients, kept_workspace());
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
  m.def("oracle_forward", &oracle_forward);
  m.def("oracle_backward", &oracle_backward);
  m.def("oracle_weights", &oracle_weights, "Writes every weight, [B, H, T, S].");
}

}  // namespace qkv::python
