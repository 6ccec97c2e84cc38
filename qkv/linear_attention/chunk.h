// chunk: a run of tokens whose steps are done together, as products of matrices.  Internal to this room.
//
// Let a_t be the sum of the decays of the chunk's tokens 2..t, channel by channel, and
//
//     q~_t = scale exp(a_t) q_t      k~_t = beta_t exp(-a_t) k_t      e_t = -exp(a_t) k_t      S~ = exp(decay_1) S
//
// Then, with w_t = v_t for the rules without delta, all four rules are one and the same within the chunk:
//
//     w_t = v_t + S~' e_t + sum over j < t of (e_t . k~_j) w_j           delta rules
//     o_t = S~' q~_t + sum over j <= t of (q~_t . k~_j) w_j
//     S after the chunk = exp(a_C) (S~ + sum over j of k~_j w_j')
//
// Nothing overflows, because a chunk ends where a_t leaves [-32, 32]; the chunk of one token is the recurrence itself.
// A token with a NaN or an infinity is a chunk alone, so that it does not meet the tokens before it in a product.
//
// The system for w is solved by substitution, from the first token to the last.  Yang et al. 2024 (arXiv:2406.06484,
// eq. 10: the UT transform) invert its matrix instead, so that all chunks can be inverted before the first state is
// known; that is for machines with many more units than heads.  Substitution rounds no worse than the recurrence.
#pragma once
#include <span>
#include <utility>
#include <vector>

#include "qkv/linear_attention/chunk_kernel.h"
#include "qkv/tensor/view.h"

namespace qkv::detail {

using matrix = view<float, 2>;
using const_matrix = view<const float, 2>;

inline constexpr long chunk_side = 64;  ///< the most tokens in a chunk

/// Views of a call's numbers, features applied.  data is null for what it does not have.
struct recurrence {
  view<const float, 4> q, k, v;  ///< [B, T, H, D], [B, S, G, D], [B, S, G, E]; unit stride in the last axis
  view<const float, 4> decay;    ///< [B, T, G, D]; stride 0 along D where a head has one number
  view<const float, 3> beta;     ///< [B, T, G]; stride 0 along G where all heads share it
  float scale;

  long depth() const { return q.sizes[3]; }
  long columns() const { return v.sizes[3]; }
  long group() const { return q.sizes[2] / k.sizes[2]; }   ///< query heads of a key head
  long pieces() const { return k.sizes[0] * k.sizes[2]; }  ///< sequences times key heads
  bool one_decay() const { return decay.strides[3] == 0; }
};

/// Tokens `first` .. first + length - 1 of one key head of one sequence.
struct chunk {
  long piece, batch, head, first, length;
};

/// Chunks of at most chunk_side tokens together.  Only the states before stretches are kept, so that memory does not
/// grow where strong decays make chunks short; the backward pass and the outputs find those in between again.
struct stretch {
  long slot;          ///< of the state before it; the state after it is in the next one
  long first, count;  ///< its chunks
};

/// The chunks of all pieces, in order.  A function of shapes and decays, never of threads.
struct chunk_plan {
  std::vector<chunk> chunks;
  std::vector<stretch> stretches;
  std::vector<long> first;  ///< of each piece, into stretches; and their number
  long most_chunks = 0;     ///< in a stretch

  std::span<const chunk> chunks_of(const stretch& s) const { return {chunks.data() + s.first, std::size_t(s.count)}; }
  long first_slot(long piece) const { return first[piece] + piece; }
  long slots() const { return long(stretches.size() + first.size()) - 1; }
};
chunk_plan plan_chunks(const recurrence& x);

/// Scratch memory of one thread, taken from front to back.
struct scratch {
  float* next;
  float* take(long count) { return std::exchange(next, next + (count + 15) / 16 * 16); }
  matrix take(long rows, long columns) { return matrix::dense(take(rows * columns), {rows, columns}); }
};
/// Floats of scratch that a stretch of so many chunks needs, forward or backward.
long scratch_size(const recurrence& x, long chunks);

/// Rows `first` .. of one head of one sequence.
template <class T>
view<T, 2> rows_of(const view<T, 4>& x, long batch, long first, long count, long head) {
  return {x.data + batch * x.strides[0] + first * x.strides[1] + head * x.strides[2],
          {count, x.sizes[3]},
          {x.strides[1], x.strides[3]}};
}
template <class T>
view<T, 2> transposed(const view<T, 2>& m) {
  return {m.data, {m.sizes[1], m.sizes[0]}, {m.strides[1], m.strides[0]}};
}

/// c = a b, or c += a b; c has unit stride along its rows.  Takes scratch for b's panels.
enum class product { replaces, adds };
void multiply(const matrix& c, const const_matrix& a, const const_matrix& b, product how, scratch memory);

/// to = factor * from, where to has unit stride along its rows.
void copy_rows(const matrix& to, const const_matrix& from, float factor = 1);

/// Row d of a dense matrix times by[d].
void scale_rows_by(const matrix& m, const float* by);

/// A chunk's vectors, with its decays and its betas in them.
class chunk_vectors {
 public:
  chunk_vectors(const recurrence& x, const chunk& c, scratch& memory);

  const_matrix keys;   ///< k~ [C, D]
  const_matrix erase;  ///< e [C, D]; with beta only
  bool decays;
  const float* up = nullptr;     ///< exp(a) [C, D]; null without decay
  const float* down = nullptr;   ///< exp(-a) [C, D]
  const float* first = nullptr;  ///< exp(decay_1) [D]

  const float* last() const { return up + (c_.length - 1) * x_.depth(); }  ///< exp(a_C) [D]
  /// q~ of a query head [C, D]
  const_matrix queries(long head, scratch& memory) const;
  /// S~ from S, dense [D, E]; S itself without decay.
  const_matrix start(const float* state, scratch& memory) const;
  /// e . k~ below the diagonal [C, C].
  matrix erasures(scratch& memory) const;

 private:
  void find_factors(scratch& memory);
  const recurrence& x_;
  const chunk& c_;
  const chunk_kernel_table& kernels_;
};

}  // namespace qkv::detail
