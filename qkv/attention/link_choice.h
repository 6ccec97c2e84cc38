// Choices among a row's links beyond the mask: the best ones (top-k), and those that dropout leaves.  Both passes make the
// same choice.  Included by kernels only.
#pragma once
#include "qkv/attention/dropout.h"
#include "qkv/attention/forward_kernel.h"
#include "qkv/kernels/tile_product.h"

namespace qkv::QKV_INSTRUCTION_SET {

using wholes = lanes<std::int32_t>;

/// Scores as whole numbers of the same order: -0 is 0, NaN is above everything.
inline wholes order_of(lanes<float> x) {
  const int_vector bits = (int_vector)(x + lanes<float>(0.f)).v;
  const wholes order(bits ^ ((bits >> 31) & 0x7fffffff));
  return select(x == x, order, wholes(0x7fffffff));
}

/// Which of a register of scores, the first of them at `key`, the cut keeps.
inline lanes<bool> within(const row_cut& cut, lanes<float> x, long key) {
  const wholes order = order_of(x);
  return order > wholes(cut.order) ||
         (order == wholes(cut.order) && wholes::counting_from(std::int32_t(key)) <= wholes(cut.key));
}

/// Multiplies a register of weights, the first of them at `key`, by 0 where dropout drops the link, else by `factor`.
inline lanes<float> dropped(lanes<float> weight, std::uint32_t of_row, long key, std::uint32_t limit, float factor) {
  typedef std::uint32_t draws __attribute__((vector_size(sizeof(int_vector))));
  const draws at = (draws)wholes::counting_from(std::int32_t(key)).v;
  const lanes<bool> stays((int_vector)(attention_dropout::draw(at, of_row) >= limit));
  return keep(stays, weight * lanes<float>(factor));
}

/// Dropout on weights of one row: keys key .. key + n, whole registers.
inline void drop_links(const attention_dropout& dropout, const tile& where, long row, long key, long n, float* weights) {
  const std::uint32_t of_row = dropout.of_row(where.batch, where.head, where.row + row);
  const float factor = float(dropout.factor());
  for (long j = 0; j < n; j += width)
    store(weights + j, dropped(load(weights + j), of_row, key + j, dropout.limit(), factor));
}

}  // namespace qkv::QKV_INSTRUCTION_SET
