// The forward pass in two sweeps: from chunk to chunk the states, one key head of one sequence at a time; then, chunk
// by chunk, the outputs, each chunk for itself.
#include <algorithm>

#include "qkv/base/threads.h"
#include "qkv/linear_attention/recurrence.h"

namespace qkv::detail {
namespace {

/// The state after a chunk from S~ (which may stand in the same place), k~ and w.
void finish_step(const matrix& after, const const_matrix& start, const chunk_vectors& vectors,
                 const const_matrix& values, scratch memory) {
  if (after.data != start.data) copy_rows(after, start);
  multiply(after, transposed(vectors.keys), values, product::adds, memory);
  if (vectors.decays) scale_rows_by(after, vectors.last());
}

class forward_pass {
 public:
  forward_pass(const recurrence& x, const kept_states& kept)
      : x_(x),
        kept_(kept),
        state_floats_(x.depth() * x.columns()),
        scratch_floats_(scratch_size(x, kept.plan.most_chunks)),
        scratch_(scratch_floats_ * thread_count()) {}

  void find_states_of_all(view<float, 4> state) {
    parallel_for(x_.pieces(), [&](long piece, int thread) {
      float *outside = state.data + piece * state_floats_, *here = state_at(kept_.plan.first_slot(piece));
      std::copy_n(outside, state_floats_, here);
      for (long n = kept_.plan.first[piece]; n < kept_.plan.first[piece + 1]; ++n) {
        const stretch& s = kept_.plan.stretches[n];
        for (const chunk& c : kept_.plan.chunks_of(s)) {
          float* after = &c == &kept_.plan.chunks_of(s).back() ? state_at(s.slot + 1) : between(thread);
          step(c, here, after, memory_of(thread));
          here = after;
        }
      }
      std::copy_n(here, state_floats_, outside);
    });
  }
  void find_outputs(view<float, 4> out) {
    parallel_for(long(kept_.plan.stretches.size()), [&](long n, int thread) {
      const auto chunks = kept_.plan.chunks_of(kept_.plan.stretches[n]);
      scratch memory = memory_of(thread);
      const states_in_stretch states = find_states(x_, kept_, kept_.plan.stretches[n], memory);
      for (std::size_t i = 0; i < chunks.size(); ++i) read(chunks[i], states.at[i], out, memory);
    });
  }

 private:
  float* state_at(long slot) const { return kept_.states.data() + slot * state_floats_; }
  scratch memory_of(int thread) const { return {scratch_.data() + thread * scratch_floats_}; }
  /// Where the states within a stretch come and go: the last place of a thread's scratch.
  float* between(int thread) const { return scratch_.data() + (thread + 1) * scratch_floats_ - state_floats_; }

  void step(const chunk& c, const float* before, float* after, scratch memory) const {
    const chunk_vectors vectors(x_, c, memory);
    const const_matrix start = vectors.start(before, memory);
    if (x_.beta.data) {
      const matrix corrected = corrected_values(x_, kept_, c);
      copy_rows(corrected, rows_of(x_.v, c.batch, c.first, c.length, c.head));
      multiply(corrected, vectors.erase, start, product::adds, memory);
      chunk_kernels_now().solve(vectors.erasures(memory).data, corrected.data, c.length, x_.columns());
    }
    finish_step(matrix::dense(after, start.sizes), start, vectors, values_of(x_, kept_, c), memory);
  }

  void read(const chunk& c, const float* state, view<float, 4> out, scratch memory) const {
    const chunk_vectors vectors(x_, c, memory);
    const const_matrix start = vectors.start(state, memory), values = values_of(x_, kept_, c);
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
  kept.states = float_block(kept.plan.slots() * x.depth() * x.columns());
  if (x.beta.data) kept.corrected = float_block(x.pieces() * x.k.sizes[1] * x.columns());
  forward_pass pass(x, kept);
  pass.find_states_of_all(state);
  pass.find_outputs(out);
  return kept;
}

states_in_stretch find_states(const recurrence& x, const kept_states& kept, const stretch& s, scratch& memory) {
  const long floats = x.depth() * x.columns();
  const auto chunks = kept.plan.chunks_of(s);
  states_in_stretch states;
  states.at[0] = kept.states.data() + s.slot * floats;
  for (std::size_t n = 0; n + 1 < chunks.size(); ++n) {
    float* after = memory.take(floats);
    scratch rest = memory;
    const chunk_vectors vectors(x, chunks[n], rest);
    const const_matrix start = vectors.start(states.at[n], rest);
    finish_step(matrix::dense(after, start.sizes), start, vectors, values_of(x, kept, chunks[n]), rest);
    states.at[n + 1] = after;
  }
  states.at[chunks.size()] = states.at[0] + floats;
  return states;
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
