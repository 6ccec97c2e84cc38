// What the parts of the module register.
#pragma once
#include <nanobind/nanobind.h>

namespace qkv::python {

void bind_program(nanobind::module_&);
void bind_formula(nanobind::module_&);
void bind_attention(nanobind::module_&);
void bind_graph(nanobind::module_&);
void bind_statistics(nanobind::module_&);
void bind_linear_attention(nanobind::module_&);

}  // namespace qkv::python
