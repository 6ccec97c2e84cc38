#include "qkv/linear_attention/chunk.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "qkv/base/threads.h"
#include "qkv/kernels/matmul.h"

namespace qkv::detail {
namespace {

constexpr float most_decay = 32;  // exp(-32) .. exp(32): their products stay far from fp32's ends

/// Whether all numbers of a row are finite.
bool finite(const float* x, long count) {
  std::uint32_t bad = 0;
  for (long i = 0; i < count; ++i) bad |= (std::bit_cast<std::uint32_t>(x[i]) & 0x7f800000u) == 0x7f800000u;
  return !bad;
}

/// Cuts one piece into chunks.
class cutter {
 public:
  cutter(const recurrence& x, long piece)
      : x_(x), batch_(piece / x.k.sizes[2]), head_(piece % x.k.sizes[2]), sums_(x.one_decay() ? 1 : x.depth()) {}

  /// The first token of every chunk.
  std::vector<long> starts() {
    std::vector<long> all;
    bool alone = true;
    for (long t = 0; t < x_.k.sizes[1]; ++t) {
      const bool whole = finite_at(t), together = decays_together(t);
      if (alone || !whole || !together || t - all.back() == chunk_side) {
        all.push_back(t);
        std::ranges::fill(sums_, 0.f);
      }
      alone = !whole;
    }
    return all;
  }

 private:
  bool finite_at(long t) const {
    bool yes = finite(&x_.k(batch_, t, head_, 0), x_.depth()) && finite(&x_.v(batch_, t, head_, 0), x_.columns());
    for (long h = head_ * x_.group(); h < (head_ + 1) * x_.group(); ++h)
      yes = yes && finite(&x_.q(batch_, t, h, 0), x_.depth());
    return yes && (!x_.beta.data || std::isfinite(x_.beta(batch_, t, head_)));
  }
  /// Adds the decays of a token; whether their sums since the chunk's first token stay small.
  bool decays_together(long t) {
    if (!x_.decay.data) return true;
    bool small = true;
    for (long d = 0; d < long(sums_.size()); ++d) {
      sums_[d] += x_.decay(batch_, t, head_, d);
      small = small && std::abs(sums_[d]) <= most_decay;  // false for NaN
    }
    return small;
  }

  const recurrence& x_;
  long batch_, head_;
  std::vector<float> sums_;
};

/// Fills in what the plan says about stretches.
void join_to_stretches(chunk_plan& plan, long pieces) {
  const long end = long(plan.chunks.size());
  long n = 0;
  for (long piece = 0; piece < pieces; ++piece) {
    plan.first.push_back(long(plan.stretches.size()));
    while (n < end && plan.chunks[n].piece == piece) {
      const long first = n;
      for (long tokens = 0; n < end && plan.chunks[n].piece == piece; ++n)
        if ((tokens += plan.chunks[n].length) > chunk_side) break;
      plan.stretches.push_back({long(plan.stretches.size()) + piece, first, n - first});
      plan.most_chunks = std::max(plan.most_chunks, n - first);
    }
  }
  plan.first.push_back(long(plan.stretches.size()));
}

}  // namespace

chunk_plan plan_chunks(const recurrence& x) {
  const long pieces = x.pieces(), heads = x.k.sizes[2], tokens = x.k.sizes[1];
  std::vector<std::vector<long>> starts(pieces);
  parallel_for(pieces, [&](long piece, int) { starts[piece] = cutter(x, piece).starts(); });
  chunk_plan plan;
  for (long piece = 0; piece < pieces; ++piece)
    for (std::size_t n = 0; n < starts[piece].size(); ++n) {
      const long first = starts[piece][n], end = n + 1 < starts[piece].size() ? starts[piece][n + 1] : tokens;
      plan.chunks.push_back({piece, piece / heads, piece % heads, first, end - first});
    }
  join_to_stretches(plan, pieces);
  return plan;
}

long scratch_size(const recurrence& x, long chunks) {
  const long side = std::max({chunk_side, x.depth(), x.columns()}), panels = (side + 64) * side;
  const long state = x.depth() * x.columns() + 16, row = x.depth() + 16;
  // Vectors of a chunk and their gradients, triangles, states, one operand in panels.
  return 10 * chunk_side * row + 4 * chunk_side * chunk_side + (1 + chunks) * state + 4 * row + panels;
}

void multiply(const matrix& c, const const_matrix& a, const const_matrix& b, product how, scratch memory) {
  const auto [rows, columns] = c.sizes;
  const long depth = a.sizes[1];
  if (rows == 0 || columns == 0) return;
  const matmul_kernels& kernels = matmul_now();
  kernels.pack_columns(b.data, b.strides[0], b.strides[1], depth, columns, memory.next);
  kernels.multiply({.a = a.data,
                    .a_row_stride = a.strides[0],
                    .a_depth_stride = a.strides[1],
                    .a_packed = false,
                    .b = memory.next,
                    .c = c.data,
                    .c_stride = c.strides[0],
                    .rows = rows,
                    .columns = columns,
                    .depth = depth,
                    .depth_block = std::max(1l, depth),
                    .add = how == product::adds,
                    .epilogue = {}});
}

void copy_rows(const matrix& to, const const_matrix& from, float factor) {
  chunk_kernels_now().scale_rows({.to = to.data,
                                  .to_stride = to.strides[0],
                                  .from = from.data,
                                  .from_stride = from.strides[0],
                                  .rows = from.sizes[0],
                                  .columns = from.sizes[1],
                                  .factor = factor});
}

void scale_rows_by(const matrix& m, const float* by) {
  chunk_kernels_now().scale_rows({.to = m.data,
                                  .to_stride = m.sizes[1],
                                  .from = m.data,
                                  .from_stride = m.sizes[1],
                                  .rows = m.sizes[0],
                                  .columns = m.sizes[1],
                                  .by_row = by,
                                  .by_row_stride = 1});
}

chunk_vectors::chunk_vectors(const recurrence& x, const chunk& c, scratch& memory)
    : decays(x.decay.data), x_(x), c_(c), kernels_(chunk_kernels_now()) {
  const long depth = x.depth();
  const const_matrix k = rows_of(x.k, c.batch, c.first, c.length, c.head);
  if (decays) find_factors(memory);
  keys = k;
  if (!decays && !x.beta.data) return;
  const matrix scaled = memory.take(c.length, depth);
  scaled_rows rows{.to = scaled.data,
                   .to_stride = depth,
                   .from = k.data,
                   .from_stride = k.strides[0],
                   .rows = c.length,
                   .columns = depth,
                   .by_row = x.beta.data ? &x.beta(c.batch, c.first, c.head) : nullptr,
                   .by_row_stride = x.beta.strides[1],
                   .by_element = down,
                   .by_element_stride = depth};
  kernels_.scale_rows(rows);
  keys = scaled;
  if (!x.beta.data) return;
  const matrix erasing = memory.take(c.length, depth);
  rows.to = erasing.data, rows.factor = -1, rows.by_row = nullptr, rows.by_element = up;
  kernels_.scale_rows(rows);
  erase = erasing;
}

void chunk_vectors::find_factors(scratch& memory) {
  const long depth = x_.depth(), width = x_.one_decay() ? 1 : depth;
  const const_matrix g = rows_of(x_.decay, c_.batch, c_.first, c_.length, c_.head);
  float* sums = memory.take(c_.length * depth);
  float *rising = memory.take(c_.length * depth), *falling = memory.take(c_.length * depth), *one = memory.take(depth);
  for (long d = 0; d < width; ++d) one[d] = g(0, d), sums[d] = 0;
  for (long t = 1; t < c_.length; ++t)
    for (long d = 0; d < width; ++d) sums[t * width + d] = sums[(t - 1) * width + d] + g(t, d);
  kernels_.exponentials(falling, sums, -1, c_.length * width);
  kernels_.exponentials(rising, sums, 1, c_.length * width);
  kernels_.exponentials(one, one, 1, width);
  if (width < depth) {  // one number a head: the same for every channel, from the last token to the first
    for (long t = c_.length - 1; t >= 0; --t) {
      std::fill_n(falling + t * depth, depth, float(falling[t]));
      std::fill_n(rising + t * depth, depth, float(rising[t]));
    }
    std::fill_n(one, depth, float(one[0]));
  }
  up = rising, down = falling, first = one;
}

const_matrix chunk_vectors::queries(long head, scratch& memory) const {
  const const_matrix q = rows_of(x_.q, c_.batch, c_.first, c_.length, head);
  const matrix scaled = memory.take(c_.length, x_.depth());
  kernels_.scale_rows({.to = scaled.data,
                       .to_stride = x_.depth(),
                       .from = q.data,
                       .from_stride = q.strides[0],
                       .rows = c_.length,
                       .columns = x_.depth(),
                       .factor = x_.scale,
                       .by_element = up,
                       .by_element_stride = x_.depth()});
  return scaled;
}

const_matrix chunk_vectors::start(const float* state, scratch& memory) const {
  const long depth = x_.depth(), columns = x_.columns();
  if (!decays) return const_matrix::dense(state, {depth, columns});
  const matrix faded = memory.take(depth, columns);
  kernels_.scale_rows({.to = faded.data,
                       .to_stride = columns,
                       .from = state,
                       .from_stride = columns,
                       .rows = depth,
                       .columns = columns,
                       .by_row = first,
                       .by_row_stride = 1});
  return faded;
}

matrix chunk_vectors::erasures(scratch& memory) const {
  const matrix a = memory.take(c_.length, c_.length);
  multiply(a, erase, transposed(keys), product::replaces, memory);
  kernels_.keep_below(a.data, c_.length, false);
  return a;
}

}  // namespace qkv::detail
