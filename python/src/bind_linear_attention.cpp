#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include "arrays.h"
#include "bind.h"
#include "qkv/linear_attention/linear_attention.h"
#include "qkv/traced/traced_features.h"

namespace qkv::python {
namespace {

using input = array<const float, 4>;
using optional_input = std::optional<any_array<const float>>;

tensor optional_tensor(const optional_input& a) { return a ? tensor_of(*a) : tensor(); }

feature_map features_of(nb::handle given) {
  if (traced::program * map; nb::try_cast(given, map)) return traced::make_traced_features(*map);
  const auto name = nb::cast<std::string>(given);
  if (name == "relu") return features::relu;
  if (name == "elu_plus_one") return features::elu_plus_one;
  if (name != "identity") refuse("linear_attention", "features identity, relu, elu_plus_one or a lambda of x", name);
  return features::identity;
}

linear_attention_options options_of(const std::string& rule, const nb::object& features, bool causal, bool normalise,
                                    std::optional<double> scale, const optional_input& decay,
                                    const optional_input& beta, const optional_input& state) {
  linear_attention_options o;
  const auto rules = {update_rule::linear, update_rule::gated, update_rule::delta, update_rule::gated_delta};
  const auto found = std::find_if(rules.begin(), rules.end(), [&](update_rule r) { return rule == name_of(r); });
  if (found == rules.end()) refuse("linear_attention", "rule linear, gated, delta or gated_delta", rule);
  o.rule = *found;
  o.features = features_of(features);
  o.causal = causal, o.normalise = normalise, o.scale = scale;
  o.decay = optional_tensor(decay), o.beta = optional_tensor(beta), o.state = optional_tensor(state);
  return o;
}

using options = std::tuple<std::string, nb::object, bool, bool, std::optional<double>, optional_input, optional_input,
                           optional_input>;
linear_attention_options options_of(const options& o) {
  return std::apply([](const auto&... one) { return options_of(one...); }, o);
}

nb::tuple forward(const input& q, const input& k, const input& v, const options& how) {
  const linear_attention_options o = options_of(how);
  const tensor queries = tensor_of(q), keys = tensor_of(k), values = tensor_of(v);
  tensor out, state;
  {
    const nb::gil_scoped_release others_may_run;
    const linear_attention_run run = linear_attention_forward(queries, keys, values, o);
    out = run.out, state = run.state;
  }
  return nb::make_tuple(numpy_of<float>(out), numpy_of<float>(state));
}

nb::tuple backward(const input& q, const input& k, const input& v, const options& how, const input& dout,
                   const optional_input& dstate) {
  const linear_attention_options o = options_of(how);
  const tensor queries = tensor_of(q), keys = tensor_of(k), values = tensor_of(v), of_out = tensor_of(dout),
               of_state = optional_tensor(dstate);
  linear_attention_gradients g;
  {
    const nb::gil_scoped_release others_may_run;
    g = linear_attention_forward(queries, keys, values, o).backward(of_out, of_state);
  }
  return nb::make_tuple(numpy_of<float>(g.dq), numpy_of<float>(g.dk), numpy_of<float>(g.dv), numpy_of<float>(g.ddecay),
                        numpy_of<float>(g.dbeta), numpy_of<float>(g.dstate));
}

}  // namespace

void bind_linear_attention(nb::module_& m) {
  m.def("linear_forward", &forward, nb::arg("q"), nb::arg("k"), nb::arg("v"), nb::arg("options"));
  m.def("linear_backward", &backward, nb::arg("q"), nb::arg("k"), nb::arg("v"), nb::arg("options"), nb::arg("dout"),
        nb::arg("dstate").none());
}

}  // namespace qkv::python
