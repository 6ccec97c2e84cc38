#include "qkv/attention/prepare_kernel.h"

#include "qkv/attention/packing.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

double square_of(const float* x, long depth) {
  double sum = 0;  // a square of 1e30 does not fit into fp32
  for (long d = 0; d < depth; ++d) sum += double(x[d]) * x[d];
  return sum;
}

void unit(const prepared_rows& r) {
  for (long i = 0; i < r.rows; ++i) {
    const float* const x = r.from + i * r.stride;
    const double length = __builtin_sqrt(square_of(x, r.depth));
    for (long d = 0; d < r.depth; ++d) r.to[i * r.depth + d] = length > 0 || length != length ? float(x[d] / length) : 0;
  }
}

void unit_backward(const prepared_rows& r, float* du, long du_stride) {
  for (long i = 0; i < r.rows; ++i, du += du_stride) {
    const double length = __builtin_sqrt(square_of(r.from + i * r.stride, r.depth));
    const float* const u = r.to + i * r.depth;
    double along = 0;
    bool any = false;  // a row that no link leads to gets nothing, be it NaN
    for (long d = 0; d < r.depth; ++d) along += double(u[d]) * du[d], any |= du[d] != 0;
    for (long d = 0; d < r.depth; ++d) du[d] = length == 0 || !any ? 0 : float((du[d] - u[d] * along) / length);
  }
}

void centred(const prepared_rows& r, const float* centre, float* squares) {
  for (long i = 0; i < r.rows; ++i) {
    float* const to = r.to + i * r.depth;
    for (long d = 0; d < r.depth; ++d) to[d] = r.from[i * r.stride + d] - centre[d];
    squares[i] = float(square_of(to, r.depth));
  }
}

void pack_matrix(const float* matrix, long depth, bool transposed, float* packed) {
  for (long c = 0; c < rounded_up(depth, tile_columns); ++c)
    for (long d = 0; d < depth; ++d)
      packed[c / tile_columns * depth * tile_columns + d * tile_columns + c % tile_columns] =
          c >= depth ? 0 : transposed ? matrix[c * depth + d] : matrix[d * depth + c];
}

void project(const prepared_rows& r, const float* packed, float* scratch) {
  for (long i = 0; i < r.rows; i += tile_rows) {
    pack_panel<tile_rows>(r.from + i * r.stride, r.stride, r.rows - i, r.depth, 1.f, scratch);
    for (long c = 0; c < r.depth; c += tile_columns) {
      tile_sums s;
      s.fill(0.f);
      s.add_product<1, tile_rows>(scratch, packed + c * r.depth, r.depth);
      alignas(64) float tile[tile_rows * tile_columns];
      s.store_to(tile, tile_columns);
      for (long n = 0; n < tile_rows && i + n < r.rows; ++n)
        for (long e = 0; e < tile_columns && c + e < r.depth; ++e)
          r.to[(i + n) * r.depth + c + e] = tile[n * tile_columns + e];
    }
  }
}

void matrix_gradient(const float* x, long x_stride, const float* dy, long dy_stride, long rows, long depth, long column,
                     float* gradient) {
  for (long t = 0; t < rows; ++t)
    for (long d = 0; d < depth; ++d)
      for (long c = column; c < depth && c < column + tile_columns; ++c)
        gradient[d * depth + c] += x[t * x_stride + d] * dy[t * dy_stride + c];
}

}  // namespace

const prepare_kernel_table prepare_kernels = {tile_columns, unit, unit_backward, centred, project, pack_matrix,
                                              matrix_gradient};

}  // namespace qkv::QKV_INSTRUCTION_SET
