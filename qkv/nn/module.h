// Modules: plain structs that hold their parameters as variables and are called like functions.
//
// A module registers nothing.  It shows its parameters through one member template,
//
//     template <class F>
//     void visit(const std::string& prefix, F&& see) const {
//       see(prefix + "weight", weight);
//       inner.visit(prefix + "inner.", see);
//     }
//
// and everything that goes over parameters (optimiser, checkpoint, count) is written on that.
#pragma once
#include <string>
#include <vector>

#include "qkv/autograd/variable.h"

namespace qkv::nn {

struct named_parameter {
  std::string name;
  variable value;
};

/// The parameters in the order in which the module shows them.
template <class Module>
std::vector<named_parameter> parameters_of(const Module& module) {
  std::vector<named_parameter> all;
  module.visit("", [&](const std::string& name, const variable& v) { all.push_back({name, v}); });
  return all;
}

/// How many numbers a module learns.
template <class Module>
long count_parameters(const Module& module) {
  long count = 0;
  module.visit("", [&](const std::string&, const variable& v) { count += v.value().size(); });
  return count;
}

/// What a forward pass knows beside its input: whether dropout acts, and which random numbers it then takes.
struct forward_mode {
  bool training = false;
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
};

}  // namespace qkv::nn
