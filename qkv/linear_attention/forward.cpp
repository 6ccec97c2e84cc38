// The forward pass in two sweeps: from chunk to chunk the states, one key head of one sequence at a time; then, chunk
// by chunk, the outputs, each chunk for itself.
#include <algorithm>

#include "qkv/base/threads.h"
#include "qkv/linear_attention/recurrence.h"

namespace qkv::detail {
namespace {

class forward_pass {
 public:
  forward_pass(const recurrence& x, const kept_states& kept)
      : x_(x),
        kept_(kept),
        state_floats_(x.depth() * x.columns()),
        scratch_floats_(scratch_size(x)),
        scratch_(scratch_floats_ * thread_count()) {}

  void find_states(view<float, 4> state) {
    parallel_for(x_.pieces(), [&](long piece, int thread) {
      float* outside = state.data + piece * state_floats_;
      std::copy_n(outside, state_floats_, state_at(kept_.plan.first_slot(piece)));
      for (long n = kept_.plan.first[piece]; n < kept_.plan.first[piece + 1]; ++n)
        step(kept_.plan.chunks[n], memory_of(thread));
      std::copy_n(state_at(kept_.plan.last_slot(piece)), state_floats_, outside);
    });
  }
  void find_outputs(view<float, 4> out) {
    parallel_for(long(kept_.plan.chunks.size()),
                 [&](long n, int thread) { read(kept_.plan.chunks[n], out, memory_of(thread)); });
  }

 private:
  float* state_at(long slot) const { return kept_.states.data() + slot * state_floats_; }
  scratch memory_of(int thread) const { return {scratch_.data() + thread * scratch_floats_}; }

  /// From the state before a chunk to the one after it.
  void step(const chunk& c, scratch memory) const {
    const chunk_vectors vectors(x_, c, memory);
    const float* before = state_at(kept_.plan.slot(c));
    const matrix after = matrix::dense(state_at(kept_.plan.slot(c) + 1), {x_.depth(), x_.columns()});
    const const_matrix start = vectors.start(before, memory);
    copy_rows(after, start);
    const_matrix values = rows_of(x_.v, c.batch, c.first, c.length, c.head);
    if (x_.beta.data) {
      const matrix corrected = corrected_values(x_, kept_, c);
      copy_rows(corrected, values);
      multiply(corrected, vectors.erase, start, product::adds, memory);
      chunk_kernels_now().solve(vectors.erasures(memory).data, corrected.data, c.length, x_.columns());
      values = corrected;
    }
    multiply(after, transposed(vectors.keys), values, product::adds, memory);
    if (vectors.decays) scale_rows_by(after, vectors.last());
  }

  void read(const chunk& c, view<float, 4> out, scratch memory) const {
    const chunk_vectors vectors(x_, c, memory);
    const const_matrix start = vectors.start(state_at(kept_.plan.slot(c)), memory);
    const const_matrix values = values_of(x_, kept_, c);
    for (long h = c.head * x_.group(); h < (c.head + 1) * x_.group(); ++h) {
      scratch mine = memory;
      const const_matrix queries = vectors.queries(h, mine);
      const matrix to = rows_of(out, c.batch, c.first, c.length, h), links = mine.take(c.length, c.length);
      multiply(links, queries, transposed(vectors.keys), product::replaces, mine);
      chunk_kernels_now().keep_below(links.data, c.length, true);
      multiply(to, queries, start, product::replaces, mine);
      multiply(to, links, values, product::adds, mine);
    }
  }

  const recurrence& x_;
  const kept_states& kept_;
  long state_floats_, scratch_floats_;
  float_block scratch_;
};

}  // namespace

kept_states run_causal(const recurrence& x, view<float, 4> out, view<float, 4> state) {
  kept_states kept{plan_chunks(x), {}, {}};
  kept.states = float_block((long(kept.plan.chunks.size()) + x.pieces()) * x.depth() * x.columns());
  if (x.beta.data) kept.corrected = float_block(x.pieces() * x.k.sizes[1] * x.columns());
  forward_pass pass(x, kept);
  pass.find_states(state);
  pass.find_outputs(out);
  return kept;
}

matrix corrected_values(const recurrence& x, const kept_states& kept, const chunk& c) {
  const long row = c.piece * x.k.sizes[1] + c.first;
  return matrix::dense(kept.corrected.data() + row * x.columns(), {c.length, x.columns()});
}

const_matrix values_of(const recurrence& x, const kept_states& kept, const chunk& c) {
  if (x.beta.data) return corrected_values(x, kept, c);
  return rows_of(x.v, c.batch, c.first, c.length, c.head);
}

}  // namespace qkv::detail
