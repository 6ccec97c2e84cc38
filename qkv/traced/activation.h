// A program of one number, `score`, applied to many: the activation of a weighting, a feature map.
#pragma once
#include "qkv/traced/interpreted.h"

namespace qkv::traced {

/// Values of n arguments, and the derivatives there unless `slope` is null.  Whole registers are read and written; y
/// may be x where `slope` is null.
template <class Number>
void run_activation(const interpreted& p, const Number* x, long n, Number* y, Number* slope) {
  const tile t{0, 0, 0, 1, 0, n, 0, 1, n};
  const auto walk = [&](auto& m, auto and_back) {
    m.each_block([&](const block_place& at) {
      m.given().score = x + at.key;
      m.forward();
      const auto of_row = m.result(0);
      for (long j = 0; j < m.padded_keys(); ++j) y[at.key + j] = of_row.at[j * of_row.key_step];
      and_back(m, at.key);
    });
  };
  if (!slope) {
    run<Number> m(p, t);
    return walk(m, [](auto&, long) {});
  }
  run<Number> m(p, t, {});
  walk(m, [&](auto& back, long key) {
    back.reverse([](long, long) { return Number(1); });
    const Number* const d = back.adjoint_of(opcode::score, 0);
    for (long j = 0; j < back.padded_keys(); ++j) slope[key + j] = d ? d[j] : 0;
  });
}

/// Throws shape_error unless the program's value is a real number.
inline void check_real(const char* what, const program& p) {
  if (p.type_of(p.result()) != kind::real) refuse(what, "a number", "a truth value or a whole number");
}

}  // namespace qkv::traced
