// Attention over the edges of graphs.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "call.h"
#include "qkv/attention/graph_attention.h"
#include "qkv/attention/readable.h"

namespace qkv::python {
namespace {

static_assert(sizeof(edge) == 2 * sizeof(std::int64_t));

graph make_graph(long queries, long keys,
                 const nb::ndarray<const std::int64_t, nb::shape<-1, 2>, nb::c_contig>& edges) {
  return graph(queries, keys, {reinterpret_cast<const edge*>(edges.data()), edges.shape(0)});
}

// [edges, 2]: query and key, by query, and by key among those of a query.
nb::object edges_of(const graph& g) {
  const graph::lists& all = g.sorted();
  auto* const pairs = new std::int64_t[std::size_t(std::max(2 * g.edges(), 1l))];
  for (long i = 0; i < g.queries(); ++i)
    for (long n = all.first_of_query[i]; n < all.first_of_query[i + 1]; ++n)
      pairs[2 * n] = i, pairs[2 * n + 1] = all.key[n];
  const nb::capsule keeps(pairs, [](void* p) noexcept { delete[] static_cast<std::int64_t*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, std::int64_t>(pairs, {std::size_t(g.edges()), 2}, keeps));
}

graphs graphs_of(const std::vector<const graph*>& given, bool each) {
  if (!each) return *given.at(0);
  std::vector<graph> all;
  for (const graph* g : given) all.push_back(*g);
  return all;
}

void graph_forward(const formula_handle& f, const input<float>& q, const input<float>& k, const input<float>& v,
                   const layout& how, const std::vector<const graph*>& links, bool each, const array<float, 4>& out,
                   const array<float, 3>& lse) {
  const problem x = problem_with(q, k, v, how);
  const auto out_view = view_of<4>(out);
  const auto lse_view = view_of<3>(lse);
  const graphs all = graphs_of(links, each);
  const nb::gil_scoped_release others_may_run;
  graph_attention_into(*f.rule, x, all, out_view, lse_view, kept_workspace());
}

void graph_backward(const formula_handle& f, const input<float>& q, const input<float>& k, const input<float>& v,
                    const layout& how, const std::vector<const graph*>& links, bool each, const input<float>& dout,
                    const array<float, 4>& dq, const array<float, 4>& dk, const array<float, 4>& dv,
                    const std::vector<any_array<float>>& learned) {
  const problem x = problem_with(q, k, v, how);
  const std::vector<float*> gradients = pointers_to(learned);
  const auto dout_view = view_of<4>(dout);
  const auto to_q = view_of<4>(dq), to_k = view_of<4>(dk), to_v = view_of<4>(dv);
  const graphs all = graphs_of(links, each);
  const nb::gil_scoped_release others_may_run;
  graph_attention_backward_into(*f.rule, x, all, dout_view, to_q, to_k, to_v, gradients, kept_workspace());
}

}  // namespace

void bind_graph(nb::module_& m) {
  nb::class_<graph>(m, "Graph", "The links of one sequence, sorted once for many calls.")
      .def(nb::new_(&make_graph), nb::arg("queries"), nb::arg("keys"), nb::arg("edges"))
      .def_prop_ro("queries", &graph::queries)
      .def_prop_ro("keys", &graph::keys)
      .def_prop_ro("edge_count", &graph::edges)
      .def("edges", &edges_of);
  m.def("graph_forward", &graph_forward, "Writes out and lse.");
  m.def("graph_backward", &graph_backward, "Writes dq, dk, dv and adds to the learned ones' gradients.");
}

}  // namespace qkv::python
