// A block of keys and values, packed: from float32, or converted from fewer bytes on the way.  Included by the forward
// kernel only.
#pragma once
#include "qkv/attention/forward_kernel.h"
#include "qkv/attention/packing.h"
#include "qkv/attention/prepare_kernel.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

// Weights of one pass lie between 1e-18 and 1e24: their products with ordinary values neither vanish nor overflow.
value_sizes sizes_of(const float* packed_values, long keys, long key_block, long columns) {
  reals greatest = 0.f;
  for (long c = 0; c < columns; c += tile_columns)
    for (long j = 0; j < rounded_up(keys, tile_columns) * tile_columns; j += width)
      greatest = max(greatest, abs(load(packed_values + c * key_block + j)));
  const float most = maximum(greatest);
  return most == 0 || (most > 1e-12f && most < 1e12f) ? value_sizes::ordinary : value_sizes::extreme;
}

value_sizes pack_keys_values(const float* k, long k_stride, const float* v, long v_stride, long keys, long key_block,
                             long depth, long columns, float* packed_keys, float* packed_values) {
  bool finite = true;
  for (long j = 0; j < keys; j += tile_columns)
    finite &= pack_panel<tile_columns>(k + j * k_stride, k_stride, keys - j, depth, 1.f, packed_keys + j * depth);
  finite &= pack_rows(v, v_stride, keys, rounded_up(keys, tile_columns), columns, 1.f, packed_values,
                      key_block * tile_columns);
  return finite ? sizes_of(packed_values, keys, key_block, columns) : value_sizes::not_finite;
}

/// Rows first .. first + count as float32, `width` apart.
void widen(const narrow_rows& from, long first, long count, long channels, float* to) {
  for (long n = 0; n < count; ++n, to += channels) {
    const long at = (first + n) * from.stride;
    if (from.type == narrow_rows::float32) {
      for (long c = 0; c < channels; ++c) to[c] = static_cast<const float*>(from.first)[at + c];
    } else if (from.type == narrow_rows::bfloat16) {
      const auto* const x = static_cast<const std::uint16_t*>(from.first) + at;
      for (long c = 0; c < channels; ++c) to[c] = __builtin_bit_cast(float, std::uint32_t(x[c]) << 16);
    } else {
      const auto* const x = static_cast<const std::int8_t*>(from.first) + at;
      const float scale = from.scales[(first + n) * from.scale_stride];
      for (long c = 0; c < channels; ++c) to[c] = float(x[c]) * scale;
    }
  }
}

/// The values of keys first .. first + keys, a block of them.
bool widen_values(const forward_work& w, long first, long keys) {
  const narrow_head& h = *w.narrow;
  bool finite = true;
  for (long j = 0; j < keys; j += tile_columns) {
    const long rows = keys - j < tile_columns ? keys - j : tile_columns;
    widen(h.v, first + j, rows, w.columns, h.rows);
    finite &= pack_rows(h.rows, w.columns, rows, tile_columns, w.columns, 1.f, h.values + j * tile_columns,
                        w.key_block * tile_columns);
  }
  return finite;
}

void widen_keys_values(const forward_work& w, long block) {
  const narrow_head& h = *w.narrow;
  const long first = block * w.key_block, left = w.where.all_keys - first;
  const long keys = left < w.key_block ? left : w.key_block;
  bool finite = true;
  for (long j = 0; j < keys; j += tile_columns) {
    const long rows = keys - j < tile_columns ? keys - j : tile_columns;
    widen(h.k, first + j, rows, w.depth, h.rows);
    if (h.unit_keys) prepare_kernels.unit({h.rows, w.depth, rows, w.depth, h.rows});
    finite &= pack_panel<tile_columns>(h.rows, w.depth, rows, w.depth, 1.f, h.keys + j * w.depth);
  }
  finite &= widen_values(w, first, keys);
  *h.sizes = finite ? sizes_of(h.values, keys, w.key_block, w.columns) : value_sizes::not_finite;
}

}  // namespace
}  // namespace qkv::QKV_INSTRUCTION_SET
