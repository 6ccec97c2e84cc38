// problem: the numbers that a formula is applied to, and what comes out.
#pragma once
#include "qkv/attention/formula.h"
#include "qkv/attention/layout.h"
#include "qkv/tensor/overlap.h"

namespace qkv {

/// Views of queries, keys and values; T is float for the fused engine, double for the oracle.
///
///   q  [B, T, H, D]    k  [B, S, G, D]    v  [B, S, G, E]    any strides with unit stride in the last axis
template <class T>
struct problem_of {
  view<const T, 4> q, k, v;
  alignment align = bottom_right;
  sequences ragged{};
};
using problem = problem_of<float>;

/// One sequence of the batch: where its queries and keys lie.
struct sequence {
  long number;         ///< at.batch
  long row;            ///< of the batch axis in memory
  long q0, queries;    ///< first query in that row, and how many
  long k0, keys;
  long offset;         ///< place of query 0 on the key axis
};

/// Calls f(sequence) for the sequences of a problem, in order.
template <class T>
void each_sequence(const problem_of<T>& x, auto f) {
  const auto& [how, q, k] = x.ragged;
  const auto one = [&](long number, long row, long q0, long queries, long k0, long keys) {
    f(sequence{number, row, q0, queries, k0, keys, x.align.from_end ? keys - queries : x.align.offset});
  };
  if (how == sequences::packed_)
    for (long b = 0; b + 1 < long(q.size()); ++b) one(b, 0, q[b], q[b + 1] - q[b], k[b], k[b + 1] - k[b]);
  else
    for (long b = 0; b < x.q.sizes[0]; ++b)
      one(b, b, 0, how == sequences::padded_ ? q[b] : x.q.sizes[1], 0, how == sequences::padded_ ? k[b] : x.k.sizes[1]);
}
template <class T>
void list_sequences(const problem_of<T>& x, std::vector<sequence>& all) {
  all.clear();
  each_sequence(x, [&](const sequence& s) { all.push_back(s); });
}

/// Where only some links exist: shows a few of those of a sequence.
using links_to_probe = function_ref<void(const sequence&, function_ref<void(long row, long key)> see)>;

/// Throws shape_error unless shapes, strides, lengths and learned parameters fit together.
void check(const char* operation, const formula&, const problem_of<float>&, const links_to_probe* = nullptr);
void check(const char* operation, const formula&, const problem_of<double>&);

/// Throws shape_error unless memory given for a result has these sizes and, with four axes, unit stride in the last.
void check_given(const char* operation, const char* name, const view<const float, 4>&, std::array<long, 4> wanted);
void check_given(const char* operation, const char* name, const view<const float, 3>&, std::array<long, 3> wanted);

/// Memory by its name.
struct named_memory {
  const char* name;
  strided_memory memory;
};
/// Throws shape_error where a number would be written over another one: a result that overlaps itself, another result
/// or what is read.
void check_apart(const char* operation, std::initializer_list<named_memory> results,
                 std::initializer_list<named_memory> read);
/// The same for everything that a backward pass writes; and that there is memory for what was learned.
void check_gradients(const char* operation, const formula&, const problem&, view<const float, 4> out,
                     view<const float, 3> lse, view<const float, 4> dout, view<float, 4> dq, view<float, 4> dk,
                     view<float, 4> dv, std::span<float* const> learned);

/// A finished forward pass.
struct attended {
  tensor out;          ///< [B, T, H, E]
  tensor lse;          ///< [B, T, H] float32: see attention_forward
  bool splits = true;  ///< parts over disjoint keys may be merged: softmax over all links, without a sink
};

/// Whether rows of this formula can be put together from parts over disjoint keys.
inline bool splits_over_keys(const formula& f) {
  return f.closed_form() == closed::exponential && f.row().keep == 0 && !f.sink();
}

struct attention_gradients {
  tensor dq, dk, dv;
  std::vector<std::pair<tensor, tensor>> learned;  ///< every learned tensor and its gradient

  /// Gradient of a learned parameter, by the tensor that was passed in.
  const tensor& operator[](const tensor& p) const {
    for (auto& [handle, gradient] : learned)
      if (handle.same_as(p)) return gradient;
    throw std::invalid_argument(
        "attention backward: expected a tensor that the call learned from; found another one (pass the same handle "
        "that was given to the part)");
  }
};

/// One gradient per distinct tensor: a tensor given to two parts gets the sum.
attention_gradients join_gradients(tensor dq, tensor dk, tensor dv, const std::vector<parameter>& parameters,
                                   const std::vector<tensor>& gradients);

}  // namespace qkv
