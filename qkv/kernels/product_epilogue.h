// The end of a product: from sums in scratch memory to C; for *_kernel.cpp files.
#pragma once
#include "qkv/kernels/activation_lanes.h"
#include "qkv/kernels/matmul.h"
#include "qkv/kernels/partial_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {

/// The epilogue's pointers moved to another element of C.
[[gnu::always_inline]] inline product_epilogue at_element(product_epilogue e, long row, long column) {
  if (e.bias) e.bias += column;
  if (e.before) e.before += row * e.before_stride + column;
  if (e.at) e.at += row * e.at_stride + column;
  if (e.residual) e.residual += row * e.residual_stride + column;
  return e;
}

/// One row of C, `columns` long, from its sums.
template <class Activate, class Through>
[[gnu::always_inline]] inline void finish_row(const float* sums, float* c, long row, long columns,
                                              const product_epilogue& e) {
  for_lanes(
      columns, [&](long j, auto part) __attribute__((always_inline)) {
        lanes<float> s = load_part(sums + j, part);
        if (e.bias) s = s + load_part(e.bias + j, part);
        if (e.before) store_part(e.before + row * e.before_stride + j, s, part);
        s = Activate::value(s);
        if (e.at) s = s * Through::derivative(load_part(e.at + row * e.at_stride + j, part));
        if (e.residual) s = s + load_part(e.residual + row * e.residual_stride + j, part);
        store_part(c + j, s, part);
      });
}

template <class Activate, class Through>
void finish_rows(const float* sums, long sums_stride, float* c, long c_stride, long rows, long columns,
                 const product_epilogue& e) {
  for (long i = 0; i < rows; ++i)
    finish_row<Activate, Through>(sums + i * sums_stride, c + i * c_stride, i, columns, e);
}

/// Rows of C from their sums.  An activation on the way forward and one on the way back never come together.
inline void finish(const float* sums, long sums_stride, float* c, long c_stride, long rows, long columns,
                   const product_epilogue& e) {
  if (e.at)
    return with_activation(e.through, [&](auto f) {
      finish_rows<identity_lanes, decltype(f)>(sums, sums_stride, c, c_stride, rows, columns, e);
    });
  with_activation(e.activate, [&](auto f) {
    finish_rows<decltype(f), identity_lanes>(sums, sums_stride, c, c_stride, rows, columns, e);
  });
}

}  // namespace qkv::QKV_INSTRUCTION_SET
