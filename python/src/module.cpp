// The compiled part of the Python package.  It is thin: names, shapes and messages for users are in the Python files.
#include <nanobind/stl/string.h>

#include "bind.h"
#include "qkv/base/error.h"
#include "qkv/base/instruction_set.h"
#include "qkv/base/threads.h"

namespace nb = nanobind;

NB_MODULE(_native, m) {
  m.doc() = "The engine of qkv.  Use the package `qkv`; this module's functions may change.";
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const qkv::unsupported_error& e) { PyErr_SetString(PyExc_NotImplementedError, e.what()); }
  });
  nb::set_leak_warnings(false);  // formulas live in caches until the interpreter ends
  qkv::python::bind_program(m);
  qkv::python::bind_formula(m);
  qkv::python::bind_attention(m);
  qkv::python::bind_graph(m);
  qkv::python::bind_statistics(m);
  qkv::python::bind_linear_attention(m);
  m.def("set_threads", [](int count) {
    if (count < 1) qkv::refuse("set_threads", "at least 1 thread", std::to_string(count));
    qkv::set_thread_count(count);
  });
  m.def("threads", &qkv::thread_count);
  m.def("instruction_set", [] { return std::string(qkv::name_of(qkv::active_instruction_set())); });
}
