// The backward pass in two sweeps, with the names of chunk.h and a bar for "gradient of": first what each chunk finds
// alone from the gradient of its outputs; then, from the last chunk to the first, what the states carry.
//
//     alone     P = tril(q~ k~')     bar P = tril(bar o w')
//               bar q~ = bar o S~' + bar P k~     bar k~ = bar P' q~     bar w = P' bar o
//     carried   T = exp(a_C) bar S                bar k~ += w T'         bar w += k~ T        bar S~ = T + q~' bar o
//     delta     A = tril(e k~', -1)     bar v = (I - A)^-T bar w         bar A = tril(bar v w', -1)
//               bar e = bar v S~' + bar A k~      bar k~ += bar A' e     bar S~ += e' bar v
//     decay     bar a_t = q~ bar q~ - k~ bar k~ + e bar e, and S bar S after the last token; bar decay_i sums bar a_t
//               over t >= i, and for the chunk's first token it is S~ bar S~
#include <algorithm>

#include "qkv/base/threads.h"
#include "qkv/linear_attention/recurrence.h"

namespace qkv::detail {
namespace {

class backward_pass {
 public:
  backward_pass(const recurrence& x, const kept_states& kept, view<const float, 4> dout,
                const recurrence_gradients& gradients)
      : x_(x),
        kept_(kept),
        dout_(dout),
        to_(gradients),
        kernels_(chunk_kernels_now()),
        depth_(x.depth()),
        columns_(x.columns()),
        scratch_floats_(scratch_size(x, kept.plan.most_chunks)),
        keys_(rows() * depth_),
        values_(rows() * columns_),
        sums_(x.decay.data ? rows() * depth_ : 0),
        scratch_(scratch_floats_ * thread_count()) {}

  void run() {
    parallel_for(long(kept_.plan.stretches.size()), [&](long n, int thread) {
      const auto chunks = kept_.plan.chunks_of(kept_.plan.stretches[n]);
      scratch memory = memory_of(thread);
      const states_in_stretch states = find_states(x_, kept_, kept_.plan.stretches[n], memory);
      for (std::size_t i = 0; i < chunks.size(); ++i) find_alone(chunks[i], states.at[i], memory);
    });
    parallel_for(x_.pieces(), [&](long piece, int thread) {
      const matrix dstate = matrix::dense(to_.dstate.data + piece * depth_ * columns_, {depth_, columns_});
      for (long n = kept_.plan.first[piece + 1] - 1; n >= kept_.plan.first[piece]; --n) {
        const auto chunks = kept_.plan.chunks_of(kept_.plan.stretches[n]);
        scratch memory = memory_of(thread);
        const states_in_stretch states = find_states(x_, kept_, kept_.plan.stretches[n], memory);
        for (std::size_t i = chunks.size(); i-- > 0;) carry(chunks[i], states.at[i], states.at[i + 1], dstate, memory);
      }
    });
  }

 private:
  long rows() const { return x_.pieces() * x_.k.sizes[1]; }
  scratch memory_of(int thread) const { return {scratch_.data() + thread * scratch_floats_}; }
  /// A chunk's rows in a block of all pieces' rows.
  matrix part(const float_block& block, const chunk& c, long width) const {
    return matrix::dense(block.data() + (c.piece * x_.k.sizes[1] + c.first) * width, {c.length, width});
  }
  void add(const matrix& to, const const_matrix& x, const const_matrix& y, float factor) const {
    kernels_.add_products(to.data, x.data, y.data, factor, to.size());
  }

  /// Sums over the query heads of the group, in order.
  void find_alone(const chunk& c, const float* state, scratch memory) const {
    const chunk_vectors vectors(x_, c, memory);
    const const_matrix start = vectors.start(state, memory);
    const const_matrix values = values_of(x_, kept_, c);
    const matrix dkeys = part(keys_, c, depth_), dvalues = part(values_, c, columns_);
    if (x_.group() == 0) clear(dkeys), clear(dvalues);
    if (vectors.decays) clear(part(sums_, c, depth_));
    for (long h = c.head * x_.group(); h < (c.head + 1) * x_.group(); ++h) {
      scratch mine = memory;
      const product how = h == c.head * x_.group() ? product::replaces : product::adds;
      const const_matrix queries = vectors.queries(h, mine), d = rows_of(dout_, c.batch, c.first, c.length, h);
      const matrix links = mine.take(c.length, c.length), dlinks = mine.take(c.length, c.length);
      multiply(links, queries, transposed(vectors.keys), product::replaces, mine);
      multiply(dlinks, d, transposed(values), product::replaces, mine);
      kernels_.keep_below(links.data, c.length, true);
      kernels_.keep_below(dlinks.data, c.length, true);
      multiply(dkeys, transposed(const_matrix(dlinks)), queries, how, mine);
      multiply(dvalues, transposed(const_matrix(links)), d, how, mine);
      const matrix dqueries = mine.take(c.length, depth_);
      multiply(dqueries, d, transposed(start), product::replaces, mine);
      multiply(dqueries, dlinks, vectors.keys, product::adds, mine);
      if (vectors.decays) add(part(sums_, c, depth_), queries, dqueries, 1);
      write(rows_of(to_.dq, c.batch, c.first, c.length, h), dqueries, vectors.up, x_.scale);
    }
  }

  /// dstate: of the state after the chunk, becomes that of the state before it.
  void carry(const chunk& c, const float* state, const float* state_after, const matrix& dstate, scratch memory) const {
    const chunk_vectors vectors(x_, c, memory);
    const const_matrix start = vectors.start(state, memory);
    const const_matrix values = values_of(x_, kept_, c);
    const matrix dkeys = part(keys_, c, depth_), dvalues = part(values_, c, columns_);
    float* channel_sums = memory.take(depth_);
    if (vectors.decays) {
      kernels_.row_products(channel_sums, state_after, dstate.data, depth_, columns_);
      float* last = part(sums_, c, depth_).data + (c.length - 1) * depth_;
      for (long d = 0; d < depth_; ++d) last[d] += channel_sums[d];
      scale_rows_by(dstate, vectors.last());
    }
    multiply(dvalues, vectors.keys, const_matrix(dstate), product::adds, memory);
    multiply(dkeys, values, transposed(const_matrix(dstate)), product::adds, memory);
    for (long h = c.head * x_.group(); h < (c.head + 1) * x_.group(); ++h) {
      scratch mine = memory;
      multiply(dstate, transposed(vectors.queries(h, mine)), rows_of(dout_, c.batch, c.first, c.length, h),
               product::adds, mine);
    }
    matrix derase;
    if (x_.beta.data) derase = erase_backward(c, vectors, start, values, dstate, memory);
    if (vectors.decays) {
      kernels_.row_products(channel_sums, start.data, dstate.data, depth_, columns_);
      scale_rows_by(dstate, vectors.first);
      decay_backward(c, vectors, derase, channel_sums);
    }
    if (x_.beta.data) beta_backward(c, vectors, memory);
    write_keys(c, vectors, derase);
    copy_rows(rows_of(to_.dv, c.batch, c.first, c.length, c.head), dvalues);
  }

  /// Back through the substitution; returns bar e.
  matrix erase_backward(const chunk& c, const chunk_vectors& vectors, const const_matrix& start,
                        const const_matrix& values, const matrix& dstart, scratch& memory) const {
    const matrix dvalues = part(values_, c, columns_), derase = memory.take(c.length, depth_);
    kernels_.solve_transposed(vectors.erasures(memory).data, dvalues.data, c.length, columns_);
    const matrix derasures = memory.take(c.length, c.length);
    multiply(derasures, dvalues, transposed(values), product::replaces, memory);
    kernels_.keep_below(derasures.data, c.length, false);
    multiply(derase, dvalues, transposed(start), product::replaces, memory);
    multiply(derase, derasures, vectors.keys, product::adds, memory);
    multiply(part(keys_, c, depth_), transposed(const_matrix(derasures)), vectors.erase, product::adds, memory);
    multiply(dstart, transposed(vectors.erase), dvalues, product::adds, memory);
    return derase;
  }

  /// first: the gradient of the first token's decay, channel by channel.
  void decay_backward(const chunk& c, const chunk_vectors& vectors, const matrix& derase, const float* first) const {
    const matrix sums = part(sums_, c, depth_), to = rows_of(to_.ddecay, c.batch, c.first, c.length, c.head);
    add(sums, vectors.keys, part(keys_, c, depth_), -1);
    if (derase.data) add(sums, vectors.erase, derase, 1);
    for (long t = c.length - 2; t > 0; --t)
      for (long d = 0; d < depth_; ++d) sums(t, d) += sums(t + 1, d);
    for (long d = 0; d < depth_; ++d) sums(0, d) = first[d];
    for (long t = 0; t < c.length; ++t) {
      if (!x_.one_decay()) {
        std::copy_n(&sums(t, 0), depth_, &to(t, 0));
      } else {
        float total = 0;
        for (long d = 0; d < depth_; ++d) total += sums(t, d);
        to(t, 0) = total;
      }
    }
  }

  void beta_backward(const chunk& c, const chunk_vectors& vectors, scratch memory) const {
    const matrix unscaled = memory.take(c.length, depth_);
    float* sums = memory.take(c.length);
    write(unscaled, rows_of(x_.k, c.batch, c.first, c.length, c.head), vectors.down, 1);
    kernels_.row_products(sums, part(keys_, c, depth_).data, unscaled.data, c.length, depth_);
    for (long t = 0; t < c.length; ++t) to_.dbeta(c.batch, c.first + t, c.head) = sums[t];
  }

  /// bar k = beta exp(-a) bar k~ - exp(a) bar e
  void write_keys(const chunk& c, const chunk_vectors& vectors, const matrix& derase) const {
    const matrix dkeys = part(keys_, c, depth_);
    kernels_.scale_rows({.to = dkeys.data,
                         .to_stride = depth_,
                         .from = dkeys.data,
                         .from_stride = depth_,
                         .rows = c.length,
                         .columns = depth_,
                         .by_row = x_.beta.data ? &x_.beta(c.batch, c.first, c.head) : nullptr,
                         .by_row_stride = x_.beta.strides[1],
                         .by_element = vectors.down,
                         .by_element_stride = depth_});
    for (long n = 0; derase.data && n < dkeys.size(); ++n)
      dkeys.data[n] -= vectors.decays ? vectors.up[n] * derase.data[n] : derase.data[n];
    copy_rows(rows_of(to_.dk, c.batch, c.first, c.length, c.head), dkeys);
  }

  /// to = factor * by * from, with `by` dense or null.
  void write(const matrix& to, const const_matrix& from, const float* by, float factor) const {
    kernels_.scale_rows({.to = to.data,
                         .to_stride = to.strides[0],
                         .from = from.data,
                         .from_stride = from.strides[0],
                         .rows = from.sizes[0],
                         .columns = from.sizes[1],
                         .factor = factor,
                         .by_element = by,
                         .by_element_stride = depth_});
  }
  static void clear(const matrix& m) { std::fill_n(m.data, m.size(), 0.f); }

  const recurrence& x_;
  const kept_states& kept_;
  view<const float, 4> dout_;
  const recurrence_gradients& to_;
  const chunk_kernel_table& kernels_;
  long depth_, columns_, scratch_floats_;
  // [B, G, T, ...]: bar k~, bar w, and what bar a is made of.
  float_block keys_, values_, sums_, scratch_;
};

}  // namespace

void run_causal_backward(const recurrence& x, const kept_states& kept, view<const float, 4> dout,
                         const recurrence_gradients& gradients) {
  backward_pass(x, kept, dout, gradients).run();
}

}  // namespace qkv::detail
