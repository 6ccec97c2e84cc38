// Packed sequences taken one by one, for what has no ragged form of its own.
#pragma once
#include <string>
#include <vector>

#include "qkv/attention/layout.h"
#include "qkv/autograd/views.h"

namespace qkv::nn {

/// The length of all the sequences, where it is one; else 0.
inline long common_length(const std::vector<long>& offsets) {
  const long length = offsets.size() > 1 ? offsets[1] - offsets[0] : 0;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b)
    if (offsets[b + 1] - offsets[b] != length) return 0;
  return length;
}

/// one(x) for every sequence of x [B, T, C] that lies so: packed ones, in the only row of the batch, each by itself, or
/// as a batch where they are equally long.
/// @throws shape_error for padded sequences: "gru_mixer: expected sequences whole or packed; found padded ones"
template <class One>
variable each_sequence(const char* operation, const variable& x, const sequences& lie, const One& one) {
  if (lie.how == sequences::whole) return one(x);
  if (lie.how != sequences::packed_ || x.dim(0) != 1) refuse(operation, "sequences whole or packed", "padded ones");
  if (const long length = common_length(lie.queries); length > 0) {
    const variable y = one(reshape(x, {x.dim(1) / length, length, x.dim(2)}));
    return reshape(y, {1, x.dim(1), y.dim(2)});
  }
  std::vector<variable> parts;
  for (std::size_t b = 0; b + 1 < lie.queries.size(); ++b) {
    if (lie.queries[b] < lie.queries[b + 1]) parts.push_back(one(slice(x, 1, lie.queries[b], lie.queries[b + 1])));
  }
  if (parts.empty()) return x;
  return parts.size() == 1 ? parts[0] : concatenate(parts, 1);
}

}  // namespace qkv::nn
