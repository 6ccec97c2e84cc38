// Every query reads the state after the last key: two products a head, S = S_0 + k' v and o = scale q S.
#include <algorithm>

#include "qkv/base/threads.h"
#include "qkv/linear_attention/recurrence.h"

namespace qkv::detail {
namespace {

/// Calls work(first, count) for runs of at most chunk_side rows: sums over many tokens are taken in blocks.
void each_block(long rows, auto work) {
  for (long first = 0; first < rows; first += chunk_side) work(first, std::min(chunk_side, rows - first));
}

/// Calls work(batch, head, first, count, memory) for all blocks of all heads, on all threads.
void each_block_of_heads(const recurrence& x, long batches, long rows, long heads, auto work) {
  const long blocks = (rows + chunk_side - 1) / chunk_side, floats = scratch_size(x, 0);
  const float_block memory(floats * thread_count());
  parallel_for(batches * heads * blocks, [&](long n, int thread) {
    const long head = n / blocks, first = n % blocks * chunk_side;
    work(head / heads, head % heads, first, std::min(chunk_side, rows - first),
         scratch{memory.data() + thread * floats});
  });
}

/// The state, or its gradient, of one key head.
template <class T>
view<T, 2> state_of(const view<T, 4>& states, long batch, long head) {
  return {&states(batch, head, 0, 0), {states.sizes[2], states.sizes[3]}, {states.sizes[3], 1}};
}

/// state += from' to, over all rows of one key head; work(batch, head, first, count, state, memory) adds a block.
void add_to_states(const recurrence& x, long rows, view<float, 4> states, auto work) {
  const long floats = scratch_size(x, 0), heads = x.k.sizes[2];
  const float_block memory(floats * thread_count());
  parallel_for(x.pieces(), [&](long piece, int thread) {
    const matrix state = state_of(states, piece / heads, piece % heads);
    each_block(rows, [&](long first, long count) {
      work(piece / heads, piece % heads, first, count, state, scratch{memory.data() + thread * floats});
    });
  });
}

}  // namespace

void run_all_keys(const recurrence& x, view<float, 4> out, view<float, 4> state) {
  if (state.size() == 0) return;
  add_to_states(x, x.k.sizes[1], state, [&](long b, long g, long first, long count, matrix sums, scratch memory) {
    multiply(sums, transposed(rows_of(x.k, b, first, count, g)), rows_of(x.v, b, first, count, g), product::adds,
             memory);
  });
  each_block_of_heads(x, x.q.sizes[0], x.q.sizes[1], x.q.sizes[2],
                      [&](long b, long h, long first, long count, scratch memory) {
                        const matrix queries = memory.take(count, x.depth());
                        copy_rows(queries, rows_of(x.q, b, first, count, h), x.scale);
                        multiply(rows_of(out, b, first, count, h), queries, state_of(state, b, h / x.group()),
                                 product::replaces, memory);
                      });
}

void run_all_keys_backward(const recurrence& x, view<const float, 4> state, view<const float, 4> dout,
                           const recurrence_gradients& to) {
  add_to_states(x, x.q.sizes[1], to.dstate, [&](long b, long g, long first, long count, matrix sums, scratch memory) {
    const matrix queries = memory.take(count, x.depth());
    for (long h = g * x.group(); h < (g + 1) * x.group(); ++h) {
      copy_rows(queries, rows_of(x.q, b, first, count, h), x.scale);
      multiply(sums, transposed(const_matrix(queries)), rows_of(dout, b, first, count, h), product::adds, memory);
    }
  });
  each_block_of_heads(x, x.q.sizes[0], x.q.sizes[1], x.q.sizes[2],
                      [&](long b, long h, long first, long count, scratch memory) {
                        const matrix dqueries = rows_of(to.dq, b, first, count, h);
                        multiply(dqueries, rows_of(dout, b, first, count, h),
                                 transposed(state_of(state, b, h / x.group())), product::replaces, memory);
                        copy_rows(dqueries, dqueries, x.scale);
                      });
  each_block_of_heads(x, x.k.sizes[0], x.k.sizes[1], x.k.sizes[2],
                      [&](long b, long g, long first, long count, scratch memory) {
                        const const_matrix dstate = state_of(to.dstate, b, g);
                        multiply(rows_of(to.dk, b, first, count, g), rows_of(x.v, b, first, count, g),
                                 transposed(dstate), product::replaces, memory);
                        multiply(rows_of(to.dv, b, first, count, g), rows_of(x.k, b, first, count, g), dstate,
                                 product::replaces, memory);
                      });
}

}  // namespace qkv::detail
