// The backward kernel: one block of keys walks over its live query blocks.
//
//   for every query block:  1  P  = 2^(S - lse)              S = Q K^T again
//                           2  dS = P * (dO V^T - delta)     started at -delta = -(dO . O)
//                           3  dV += P^T dO
//                           4  dK += dS^T Q
//                           5  dQ += dS K
//
// Five products a link (Dao 2023, algorithm 2).  dK and dV belong to this block alone; dQ goes to the buffer of this
// block's partition, and partitions are added in order later, so the bits do not depend on threads.
// Formulas with score parts keep the raw scores: P comes from the rewritten ones, and dS is multiplied by the
// derivative that the formula gives on dual numbers.
#include "qkv/attention/backward_kernel.h"

#include "qkv/attention/query_packing.h"
#include "qkv/attention/tile_cover.h"
#include "qkv/kernels/flush_denormals.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr int panels = side / tile_rows, key_panels_most = side / tile_columns;
constexpr int pitch = side + 16;

class key_block {
 public:
  explicit key_block(const backward_work& work)
      : w(work), depth(rounded_up(w.depth, tile_columns)), columns(rounded_up(w.columns, tile_columns)),
        scores(w.rule->scores()), first_key(w.key_block * side),
        keys(w.where.all_keys - first_key < side ? w.where.all_keys - first_key : side),
        key_panels(int((keys + tile_columns - 1) / tile_columns)), k_tiles(w.scratch), v_tiles(k_tiles + side * w.depth),
        k_rows(v_tiles + side * w.columns), dk(k_rows + side * depth), dv(dk + side * depth), p(dv + side * columns),
        ds(p + side * pitch), raw(ds + side * pitch) {
    const float *const k = w.k + first_key * w.k_stride, *const v = w.v + first_key * w.v_stride;
    finite = true;
    for (int j = 0; j < key_panels; ++j) {
      const long at = j * tile_columns;
      finite &= pack_panel<tile_columns>(k + at * w.k_stride, w.k_stride, keys - at, w.depth, 1.f, k_tiles + at * w.depth);
      finite &= pack_panel<tile_columns>(v + at * w.v_stride, w.v_stride, keys - at, w.columns, 1.f, v_tiles + at * w.columns);
    }
    pack_rows(k, w.k_stride, keys, key_panels * tile_columns, w.depth, w.scale, k_rows, side * tile_columns);
    for (long i = 0; i < side * depth; i += width) store(dk + i, reals(0.f));
    for (long i = 0; i < side * columns; i += width) store(dv + i, reals(0.f));
  }

  void take(const packed_queries& head, long block, bool block_is_full) {
    h = &head;
    first_row = block * side;
    rows = w.where.all_rows - first_row < side ? w.where.all_rows - first_row : side;
    query_panels = int((rows + tile_rows - 1) / tile_rows);
    if (!finite || !head.finite[block]) return careful(block);
    if (!classify(block_is_full)) return;
    if (scores) raw_scores();
    for (int j = 0; j < key_panels; ++j)
      for (int i = 0; i < query_panels; ++i) {
        if (how[i][j] == dead) clear(p, i, j), clear(ds, i, j);
        else weigh_tile(i, j);
      }
    if (scores) w.rule->score_backward(block_tile(), raw, ds, pitch, w.gradients);
    add_to_keys(block);
    add_to_queries();
  }

  void finish() const {
    for (long j = 0; j < keys; ++j) {
      unpack_row(dk + packed_row(j, depth), w.depth, w.scale, w.dk + (first_key + j) * w.dk_stride);
      unpack_row(dv + packed_row(j, columns), w.columns, 1.f, w.dv + (first_key + j) * w.dv_stride);
    }
  }

 private:
  tile block_tile() const {
    tile t = w.where;
    t.head = h->head;
    t.row = first_row, t.rows = rows;
    t.key = first_key, t.keys = key_panels * tile_columns;
    return t;
  }
  tile tile_at(int i, int j) const {
    tile t = block_tile();
    t.row += i * tile_rows;
    t.rows = rows - i * tile_rows < tile_rows ? rows - i * tile_rows : tile_rows;
    t.key += j * tile_columns;
    t.keys = tile_columns;
    return t;
  }
  long existing(int j) const { return keys - j * tile_columns < tile_columns ? keys - j * tile_columns : tile_columns; }

  // Which tiles are dead, partial, full; the live range of every panel both ways.  False: nothing lives.
  bool classify(bool block_is_full) {
    bool any = false;
    for (int i = 0; i < query_panels; ++i) from[i] = key_panels, to[i] = 0;
    for (int j = 0; j < key_panels; ++j) {
      query_from[j] = query_panels, query_to[j] = 0;
      for (int i = 0; i < query_panels; ++i) {
        how[i][j] = !block_is_full ? cover_of(*w.rule, tile_at(i, j), existing(j))
                    : existing(j) == tile_columns ? full : part;
        if (how[i][j] == dead) continue;
        any = true;
        if (j < from[i]) from[i] = j;
        if (i < query_from[j]) query_from[j] = i;
        to[i] = j + 1, query_to[j] = i + 1;
      }
    }
    return any;
  }
  static void clear(float* block, int i, int j) {
    for (int r = 0; r < tile_rows; ++r)
      for (int c = 0; c < tile_columns; c += width)
        store(block + (i * tile_rows + r) * pitch + j * tile_columns + c, reals(0.f));
  }
  [[gnu::always_inline]] void score_product(int i, int j, tile_sums& s) const {
    s.add_product<1, tile_rows>(h->q_tiles + (first_row + i * tile_rows) * w.depth, k_tiles + j * tile_columns * w.depth,
                                w.depth);
  }

  // Raw scores of all tiles, and the formula's scores of them in p.
  void raw_scores() {
    for (int j = 0; j < key_panels; ++j)
      for (int i = 0; i < query_panels; ++i) {
        tile_sums s;
        s.fill(0.f);
        if (how[i][j] != dead) score_product(i, j, s);
        s.store_to(raw + i * tile_rows * pitch + j * tile_columns, pitch);
        s.store_to(p + i * tile_rows * pitch + j * tile_columns, pitch);
      }
    w.rule->score(block_tile(), p, pitch);
  }

  // 1, 2  P and dS of one tile.
  void weigh_tile(int i, int j) {
    float* const weights = p + i * tile_rows * pitch + j * tile_columns;
    const float *const lse = h->lse + first_row + i * tile_rows, *const delta = h->delta + first_row + i * tile_rows;
    tile_sums s;
    if (!scores) {
      // The sums start at the small part of -lse; the large part is taken off at the end, where it costs one rounding
      // instead of D.
      s.start_at_minus(h->lse_rest + first_row + i * tile_rows);
      score_product(i, j, s);
#pragma GCC unroll 16
      for (int r = 0; r < tile_rows; ++r) {
        const reals from_row = lse[r];
        s.at[r][0] = exp2(s.at[r][0] - from_row), s.at[r][1] = exp2(s.at[r][1] - from_row);
      }
    } else {
#pragma GCC unroll 16
      for (int r = 0; r < tile_rows; ++r)
        for (int c = 0; c < 2; ++c) {
          const reals y = fma(load(weights + r * pitch + c * width), reals(log2_e), -reals(lse[r])) -
                          reals(h->lse_rest[first_row + i * tile_rows + r]);
          s.at[r][c] = keep(!(y < reals(-126.f)), exp2(y));
        }
    }
    alignas(64) std::int32_t truth[tile_rows * tile_columns];
    if (how[i][j] == part) {
      truth_of(*w.rule, tile_at(i, j), existing(j), truth);
      keep_links(s, truth);
    }
    s.store_to(weights, pitch);
    s.start_at_minus(delta);
    s.add_product<1, tile_rows>(h->d_tiles + (first_row + i * tile_rows) * w.columns, v_tiles + j * tile_columns * w.columns,
                                w.columns);
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r) {
      s.at[r][0] = s.at[r][0] * load(weights + r * pitch);
      s.at[r][1] = s.at[r][1] * load(weights + r * pitch + width);
    }
    if (how[i][j] == part) keep_links(s, truth);
    s.store_to(ds + i * tile_rows * pitch + j * tile_columns, pitch);
  }
  [[gnu::always_inline]] static void keep_links(tile_sums& s, const std::int32_t* truth) {
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r) {
      s.at[r][0] = keep(load_truth(truth + r * tile_columns), s.at[r][0]);
      s.at[r][1] = keep(load_truth(truth + r * tile_columns + width), s.at[r][1]);
    }
  }

  template <int RowStride, int DepthStride>
  static void add(float* sums, const float* a, const float* b, long n) {
    tile_sums s;
    s.load_from(sums, tile_columns);
    s.add_product<RowStride, DepthStride>(a, b, n);
    s.store_to(sums, tile_columns);
  }
  // 3, 4  dV += P^T dO, dK += dS^T Q, a group of tile_rows keys at a time over its live queries.
  void add_to_keys(long block) {
    for (int g = 0; g * tile_rows < keys; ++g) {
      const int first = g * tile_rows / tile_columns, last_key = g * tile_rows + tile_rows - 1;
      const int last = last_key / tile_columns < key_panels ? last_key / tile_columns : key_panels - 1;
      const int begin = (query_from[first] < query_from[last] ? query_from[first] : query_from[last]) * tile_rows;
      const int end = (query_to[first] > query_to[last] ? query_to[first] : query_to[last]) * tile_rows;
      if (begin >= end) continue;
      for (long c = 0; c < columns; c += tile_columns)
        add<1, pitch>(dv + g * tile_rows * columns + c * tile_rows, p + begin * pitch + g * tile_rows,
                      h->d_rows + block * h->side * columns + c * h->side + begin * tile_columns, end - begin);
      for (long c = 0; c < depth; c += tile_columns)
        add<1, pitch>(dk + g * tile_rows * depth + c * tile_rows, ds + begin * pitch + g * tile_rows,
                      h->q_rows + block * h->side * depth + c * h->side + begin * tile_columns, end - begin);
    }
  }
  // 5  dQ += dS K.
  void add_to_queries() {
    for (long c = 0; c < depth; c += tile_columns)
      for (int i = 0; i < query_panels; ++i)
        if (from[i] < to[i])
          add<pitch, 1>(h->dq + (first_row + i * tile_rows) * depth + c * tile_rows,
                        ds + i * tile_rows * pitch + from[i] * tile_columns,
                        k_rows + c * side + from[i] * tile_columns * tile_columns, (to[i] - from[i]) * tile_columns);
  }

  // A block with NaN or infinity in it: link by link, so that a link that does not exist leaves no trace.
  void careful(long block);

  const backward_work& w;
  const long depth, columns;  // rounded up to whole panels
  const bool scores;
  const long first_key, keys;
  const int key_panels;
  float *k_tiles, *v_tiles, *k_rows;  // [panel][D][tile_columns], [panel][E][tile_columns], [column panel][side][tile_columns]
  float *dk, *dv;                     // [group][column panel][tile_rows][tile_columns]
  float *p, *ds, *raw;                // [side][pitch]
  bool finite;
  // The query block at hand.
  const packed_queries* h = nullptr;
  long first_row = 0, rows = 0;
  int query_panels = 0;
  int from[panels], to[panels], query_from[key_panels_most], query_to[key_panels_most];
  cover how[panels][key_panels_most];
};

void key_block::careful(long block) {
  const auto packed = [](long row, long c, long all) {
    return packed_row(row, all) + c / tile_columns * tile_rows * tile_columns + c % tile_columns;
  };
  const float *const k = w.k + first_key * w.k_stride, *const v = w.v + first_key * w.v_stride;
  for (long i = 0; i < rows; ++i) {
    const float* const q = h->q_rows + block * h->side * depth + i * tile_columns;
    const float* const d = h->d_rows + block * h->side * columns + i * tile_columns;
    const auto q_at = [&](long c) { return q[c / tile_columns * h->side * tile_columns + c % tile_columns]; };
    const auto d_at = [&](long e) { return d[e / tile_columns * h->side * tile_columns + e % tile_columns]; };
    tile t = block_tile();
    t.row += i, t.rows = 1;
    alignas(64) std::int32_t truth[side];
    for (long j = 0; j < t.keys; ++j) truth[j] = -1;
    if (w.rule->masks()) w.rule->keep(t, truth, side);
    for (long j = 0; j < t.keys; ++j) {
      float s = 0;
      for (long c = 0; c < w.depth && j < keys; ++c) s += q_at(c) * k[j * w.k_stride + c];
      raw[j] = p[j] = s * w.scale;
    }
    if (scores) w.rule->score(t, p, pitch);
    for (long j = 0; j < t.keys; ++j) {
      ds[j] = 0;
      if (j >= keys || !truth[j]) continue;
      const float y = p[j] * log2_e - h->lse[first_row + i];
      if (y < -126) continue;
      const float weight = __builtin_exp2f(y);
      float dp = -h->delta[first_row + i];
      for (long e = 0; e < w.columns; ++e) {
        dp += d_at(e) * v[j * w.v_stride + e];
        dv[packed(j, e, columns)] += weight * d_at(e);
      }
      ds[j] = weight * dp;
    }
    if (scores) w.rule->score_backward(t, raw, ds, pitch, w.gradients);
    for (long j = 0; j < keys; ++j) {
      if (ds[j] == 0) continue;
      for (long c = 0; c < w.depth; ++c) {
        dk[packed(j, c, depth)] += ds[j] * q_at(c);
        h->dq[packed(first_row + i, c, depth)] += ds[j] * w.scale * k[j * w.k_stride + c];
      }
    }
  }
}

long scratch_size(long depth, long columns) {
  return side * (depth + columns + 2 * rounded_up(depth, tile_columns) + rounded_up(columns, tile_columns) + 3 * pitch);
}

void run(const backward_work& w) {
  const flush_denormals flush;
  key_block block(w);
  for (long n = 0; n < w.head_count; ++n) {
    const live_list& live = *w.heads[n].live;
    for (auto r = live.first[w.key_block]; r < live.first[w.key_block + 1]; ++r)
      for (long b = live.runs[r].from; b < live.runs[r].to; ++b) block.take(w.heads[n], b, live.runs[r].full);
  }
  block.finish();
}

}  // namespace

const backward_kernel_table backward_kernels = {tile_rows, tile_columns, scratch_size, pack_queries, run, unpack_dq};

}  // namespace qkv::QKV_INSTRUCTION_SET
