// What every call of attention is given: a formula, arrays, and how queries and keys lie in them.
#pragma once
#include "arrays.h"
#include "formula_handle.h"
#include "qkv/attention/engine.h"

namespace qkv::python {

using layout = std::tuple<bool, long, std::string, std::vector<long>, std::vector<long>>;  // from_end, offset, ragged

template <class T>
using input = array<const T, 4>;

inline alignment alignment_of(const layout& how) { return {std::get<0>(how), std::get<1>(how)}; }
inline sequences sequences_of(const layout& how) {
  const auto& kind = std::get<2>(how);
  return {kind == "packed"   ? sequences::packed_
          : kind == "padded" ? sequences::padded_
                             : sequences::whole,
          std::get<3>(how), std::get<4>(how)};
}

template <class T>
problem_of<T> problem_with(const input<T>& q, const input<T>& k, const input<T>& v, const layout& how) {
  return {view_of<4>(q), view_of<4>(k), view_of<4>(v), alignment_of(how), sequences_of(how)};
}

inline std::vector<float*> pointers_to(const std::vector<any_array<float>>& arrays) {
  std::vector<float*> all;
  for (const auto& a : arrays) all.push_back(a.data());
  return all;
}

}  // namespace qkv::python
