#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bind.h"
#include "formula_handle.h"
#include "qkv/traced/ready_parts.h"
#include "qkv/traced/traced_formula.h"

namespace qkv::python {
namespace {

using learned_array = std::tuple<nb::object, std::string, std::string>;  // values, name, letters

// float32 or float64 arrays, borrowed: the Python formula keeps them.
tensor learned_tensor(nb::handle values) {
  any_array<const float> floats;
  if (nb::try_cast(values, floats, false)) return tensor_of(floats);
  any_array<const double> doubles;
  if (nb::try_cast(values, doubles, false)) return tensor_of(doubles);
  refuse("attention", "a learned array of float32", "another type");
}

normalised normalised_of(const std::string& word) {
  return word == "yes" ? normalised::yes : word == "by_division" ? normalised::by_division : normalised::no;
}

formula_handle make(nb::object similarity, nb::object similarity_array, nb::object weighting, double number,
                    nb::object weighting_array, const std::string& sum_to_one, const traced::program* mask,
                    const traced::program* score, const std::vector<learned_array>& learned,
                    std::optional<double> scale, double dropout, std::uint64_t seed) {
  formula_handle f;
  traced::traced_parts parts;
  const auto array_of = [](const nb::object& a) { return a.is_none() ? tensor() : learned_tensor(a); };
  if (traced::program * term; nb::try_cast(similarity, term)) {
    parts.similarity.term = *term;
    if (!similarity_array.is_none())
      parts.similarity.channel_weights = parameter{learned_tensor(similarity_array), "channel weights", "D"};
  } else {
    parts.similarity.ready = traced::similarity_named(nb::cast<std::string>(similarity), array_of(similarity_array));
  }
  if (traced::program * activation; nb::try_cast(weighting, activation)) {
    parts.weighting.activation = *activation;
    parts.weighting.sum_to_one = normalised_of(sum_to_one);
  } else {
    parts.weighting.ready = traced::weighting_named(nb::cast<std::string>(weighting), number, array_of(weighting_array),
                                                    sum_to_one == "by_division");
  }
  if (mask) parts.mask = *mask;
  if (score) parts.score = *score;
  for (const auto& [values, name, letters] : learned)
    parts.learned.push_back(
        {learned_tensor(values), f.names.emplace_back(name).c_str(), f.names.emplace_back(letters).c_str()});
  parts.scale = scale;
  parts.dropout = attention_dropout(dropout, seed);
  f.rule = traced::make_traced_formula(std::move(parts));
  return f;
}

}  // namespace

void bind_formula(nb::module_& m) {
  nb::class_<formula_handle>(m, "Formula", "One composition of similarity, scores, mask and weighting.")
      .def("learned_shapes",
           [](const formula_handle& f) {
             std::vector<shape> all;
             for (const parameter& p : f.rule->parameters()) all.push_back(p.values.shape());
             return all;
           })
      .def("scale", [](const formula_handle& f, long channels) { return f.rule->scale(channels); })
      .def("names", [](const formula_handle& f) {
        return std::tuple(std::string(f.rule->names().similarity), std::string(f.rule->names().weighting));
      });
  m.def("make_formula", &make, nb::arg("similarity"), nb::arg("similarity_array").none(), nb::arg("weighting"),
        nb::arg("number"), nb::arg("weighting_array").none(), nb::arg("sum_to_one"), nb::arg("mask").none(),
        nb::arg("score").none(), nb::arg("learned"), nb::arg("scale").none(), nb::arg("dropout"), nb::arg("seed"));
}

}  // namespace qkv::python
