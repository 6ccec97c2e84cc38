#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "call.h"
#include "qkv/attention/statistics.h"

namespace qkv::python {
namespace {

nb::dict statistics_of(const formula_handle& f, const input<float>& q, const input<float>& k, const layout& how,
                       const std::tuple<bool, bool, bool, bool>& wanted, long top,
                       const std::vector<std::int32_t>& tokens, const std::optional<std::vector<long>>& map,
                       const std::tuple<long, long>& map_shape, const std::optional<any_array<const float>>& shares) {
  statistics_request request;
  std::tie(request.entropy, request.maximum, request.received, request.distances) = wanted;
  request.top = top;
  request.tokens = tokens;
  if (map) request.map = link_rectangle{(*map)[0], (*map)[1], (*map)[2], (*map)[3]};
  std::tie(request.map_rows, request.map_columns) = map_shape;
  if (shares) request.shares = tensor_of(*shares);
  attention_statistics found;
  const tensor queries = tensor_of(q), keys = tensor_of(k);
  const sequences ragged = sequences_of(how);
  {
    const nb::gil_scoped_release others_may_run;
    found = statistics_with(*f.rule, queries, keys, request, alignment_of(how), ragged);
  }
  nb::dict all;
  all["lse"] = numpy_of<float>(found.lse);
  all["entropy"] = numpy_of<float>(found.entropy);
  all["maximum"] = numpy_of<float>(found.maximum);
  all["received"] = numpy_of<float>(found.received);
  all["top_keys"] = numpy_of<std::int32_t>(found.top_keys);
  all["top_weights"] = numpy_of<float>(found.top_weights);
  all["distances"] = numpy_of<float>(found.distances);
  all["detected"] = numpy_of<float>(found.detected);
  all["map"] = numpy_of<float>(found.map);
  return all;
}

nb::object head_similarity_of(const formula_handle& f, const input<float>& q, const input<float>& k,
                              const layout& how) {
  tensor found;
  const tensor queries = tensor_of(q), keys = tensor_of(k);
  const sequences ragged = sequences_of(how);
  {
    const nb::gil_scoped_release others_may_run;
    found = head_similarity_with(*f.rule, queries, keys, alignment_of(how), ragged);
  }
  return numpy_of<float>(found);
}

nb::object rollout_of(const std::vector<std::tuple<const formula_handle*, input<float>, input<float>>>& given,
                      long token) {
  std::vector<attention_layer> layers;
  for (const auto& [f, q, k] : given) layers.push_back({f->rule, tensor_of(q), tensor_of(k)});
  tensor found;
  {
    const nb::gil_scoped_release others_may_run;
    found = attention_rollout(layers, token);
  }
  return numpy_of<float>(found);
}

}  // namespace

void bind_statistics(nb::module_& m) {
  m.def("statistics", &statistics_of, nb::arg("formula"), nb::arg("q"), nb::arg("k"), nb::arg("layout"),
        nb::arg("wanted"), nb::arg("top"), nb::arg("tokens"), nb::arg("map").none(), nb::arg("map_shape"),
        nb::arg("shares").none());
  m.def("head_similarity", &head_similarity_of);
  m.def("rollout", &rollout_of, nb::arg("layers"), nb::arg("token"));
}

}  // namespace qkv::python
