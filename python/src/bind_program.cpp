#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bind.h"
#include "qkv/traced/program.h"

namespace qkv::python {

using traced::program;

void bind_program(nb::module_& m) {
  nb::class_<program>(m, "Program", "A lambda written down: instructions, each a value computed from earlier ones.")
      .def(nb::init<>())
      .def("given", [](program& p, const std::string& name) { return p.given(traced::opcode_of(name)); })
      .def("real", &program::real)
      .def("whole", &program::whole)
      .def("truth", &program::truth)
      .def(
          "apply",
          [](program& p, const std::string& name, int a, int b) { return p.apply(traced::opcode_of(name), a, b); },
          nb::arg("name"), nb::arg("a"), nb::arg("b") = -1)
      .def("select", &program::select)
      .def("hash", &program::hash)
      .def(
          "table",
          [](program& p, const any_array<const std::int32_t>& a, std::int64_t rows, const shape& four_axes) {
            std::vector<std::int64_t> values(a.data(), a.data() + a.size());
            if (four_axes.size() == 4) return p.keep(table(rows, four_axes, std::move(values)));
            return p.keep(table(shape{rows, long(a.size()) / rows}, std::move(values)));
          },
          nb::arg("values").noconvert(), nb::arg("rows"), nb::arg("four_axes"))
      .def(
          "array",
          [](program& p, nb::handle values, const std::string& name) {
            if (any_array<const double> wide; nb::try_cast(values, wide, false))
              return p.keep(tensor_of(wide).clone(), name);
            return p.keep(tensor_of(nb::cast<any_array<const float>>(values)).clone(), name);
          },
          nb::arg("values"), nb::arg("name"))
      .def("table_entry", &program::table_entry)
      .def("array_entry", [](program& p, int a, const std::vector<int>& indices) { return p.array_entry(a, indices); })
      .def("learned_entry", [](program& p, int number, const shape& sizes,
                               const std::vector<int>& indices) { return p.learned_entry(number, sizes, indices); })
      .def("finish", &program::finish)
      .def("__len__", [](const program& p) { return p.instructions().size(); })
      .def("__str__", [](const program& p) { return to_string(p); });
}

}  // namespace qkv::python
