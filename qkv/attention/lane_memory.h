// Whole registers of numbers and of key places, for the loops of a compiled formula.
#pragma once
#include <cstring>

#include "qkv/attention/formula.h"

namespace qkv::detail {

template <class Lanes>
Lanes load_lanes(const auto* from) {
  Lanes x;
  std::memcpy(&x.v, from, sizeof x.v);
  return x;
}
template <class Lanes>
void store_lanes(auto* to, Lanes x) {
  std::memcpy(to, &x.v, sizeof x.v);
}

/// Where the keys of a tile's columns j, j + 1, ... stand.
template <class Index>
Index keys_at(const tile& t, long j) {
  return t.places ? load_lanes<Index>(t.places + j) : Index::counting_from(std::int32_t(t.key + j));
}

}  // namespace qkv::detail
