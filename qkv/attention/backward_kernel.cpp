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
//
// Everything but softmax of a dot product or a distance keeps raw scores, weights P and slopes P' (key_scores.h):
// dS = P' * (dO V^T - delta), multiplied by the derivative of the formula's scores.  Where a level other than softmax's
// makes a row sum to 1, delta is the mean of dO V^T weighted by P'; a walk of its own (w.means) sums it up first.
#include "qkv/attention/backward_kernel.h"

#include "qkv/attention/key_scores.h"
#include "qkv/kernels/flush_denormals.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

class key_block : key_scores {
 public:
  explicit key_block(const backward_work& work)
      : key_scores(work), depth(rounded_up(w.depth, tile_columns)), columns(rounded_up(w.columns, tile_columns)),
        flat(is_flat(*w.rule)),
        products(kind != form::pairwise && !flat), factor(kind == form::distance ? 2 * w.scale : w.scale),
        dropping(w.rule->dropout()), by_division(w.rule->sum_to_one() == normalised::by_division),
        k_rows(slope + tile_rows * pitch), dk(k_rows + side * depth), dv(dk + side * depth), column_sums(dv + side * columns),
        of_queries(column_sums + side) {
    pack_rows(w.k + first_key * w.k_stride, w.k_stride, keys, key_panels * tile_columns, w.depth, factor, k_rows,
              side * tile_columns);
    for (long i = 0; i < side * depth; i += width) store(dk + i, reals(0.f));
    for (long i = 0; i < side * columns; i += width) store(dv + i, reals(0.f));
    for (long i = 0; i < side; i += width) store(column_sums + i, reals(0.f));
  }
  static constexpr long scratch_size(long depth, long columns) {
    return scratch_floats(depth, columns) + side * (2 * rounded_up(depth, tile_columns) + rounded_up(columns, tile_columns)) +
           side + depth * tile_rows;
  }

  void take(const packed_queries& head, long block, bool block_is_full) {
    begin(head, block);
    if (!classify(block_is_full)) return;
    if (stored || !exact) {
      for (int i = 0; i < query_panels; ++i) {
        weigh_panel(i);
        for (int j = 0; j < key_panels; ++j) slope_tile(i, j);
        if (w.means) add_to_means(i);
        else if (w.rule->scores() && !flat)
          w.rule->score_backward(panel_tile(i), raw, at_tile(ds, i, 0), pitch, w.gradients);
      }
      if (w.means) return;
      if (dropping.rate > 0) drop();
    } else {
      for (int j = 0; j < key_panels; ++j)
        for (int i = 0; i < query_panels; ++i)
          if (how[i][j] == dead) fill_tile(p, i, j, 0), fill_tile(ds, i, j, 0);
          else kind == form::distance ? weigh_tile<form::distance>(i, j) : weigh_tile<form::dot>(i, j);
    }
    if (!exact) return link_by_link(block);
    add_to_keys(block);
    if (kind == form::pairwise && !flat) return pairs_backward();
    if (!products) return;
    add_to_queries();
    if (kind == form::distance) move_apart(block);
  }

  void finish() const {
    for (long j = 0; j < keys; ++j) {
      float* const to_key = w.dk + (first_key + j) * w.dk_stride;
      if (kind == form::pairwise)
        for (long c = 0; c < w.depth; ++c)
          to_key[c] = dk[j / tile_columns * tile_columns * w.depth + c * tile_columns + j % tile_columns];
      else
        unpack_row(dk + packed_row(j, depth), w.depth, factor, to_key);
      if (kind == form::distance && column_sums[j] != 0)
        for (long c = 0; c < w.depth; ++c) to_key[c] -= factor * column_sums[j] * w.k[(first_key + j) * w.k_stride + c];
      unpack_row(dv + packed_row(j, columns), w.columns, 1.f, w.dv + (first_key + j) * w.dv_stride);
    }
  }

 private:
  // 1, 2  P and dS of one tile, in registers.
  template <form Kind>
  void weigh_tile(int i, int j) {
    float* const weights = at_tile(p, i, j);
    const float *const lse = h->lse + first_row + i * tile_rows, *const delta = h->delta + first_row + i * tile_rows;
    // The sums start at the small part of -lse; the large part is taken off at the end, where it costs one rounding
    // instead of D.
    tile_sums s;
    start<Kind>(i, j, h->lse_rest + first_row + i * tile_rows, s);
    score_product(i, j, s);
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r) {
      const reals from_row = lse[r];
      s.at[r][0] = exp2(s.at[r][0] - from_row, 0), s.at[r][1] = exp2(s.at[r][1] - from_row, 0);
    }
    alignas(64) std::int32_t truth[tile_rows * tile_columns];
    if (how[i][j] == part) {
      truth_of(*w.rule, tile_at(i, j), existing(j), truth);
      keep_links(s, truth);
    }
    s.store_to(weights, pitch);
    s.start_at_minus(delta);
    value_product(i, j, s);
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r) {
      s.at[r][0] = s.at[r][0] * load(weights + r * pitch);
      s.at[r][1] = s.at[r][1] * load(weights + r * pitch + width);
    }
    if (how[i][j] == part) keep_links(s, truth);
    s.store_to(at_tile(ds, i, j), pitch);
  }
  [[gnu::always_inline]] void value_product(int i, int j, tile_sums& s) const {
    s.add_product<1, tile_rows>(h->d_tiles + (first_row + i * tile_rows) * w.columns, v_tiles + j * tile_columns * w.columns,
                                w.columns);
  }
  [[gnu::always_inline]] static void keep_links(tile_sums& s, const std::int32_t* truth) {
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r) {
      s.at[r][0] = keep(load_truth(truth + r * tile_columns), s.at[r][0]);
      s.at[r][1] = keep(load_truth(truth + r * tile_columns + width), s.at[r][1]);
    }
  }

  // 2  dS of one tile from its slopes.  A link without a slope stays 0, whatever its value is.
  void slope_tile(int i, int j) {
    if (how[i][j] == dead) return fill_tile(ds, i, j, 0);
    if (dropping.rate > 0 || by_division) return slope_tile_by_row(i, j);
    tile_sums s;
    s.start_at_minus(h->delta + first_row + i * tile_rows);
    value_product(i, j, s);
    const float* const slopes = slope + j * tile_columns;
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r) {
      const reals a = load(slopes + r * pitch), b = load(slopes + r * pitch + width);
      s.at[r][0] = keep(a != reals(0.f), s.at[r][0] * a), s.at[r][1] = keep(b != reals(0.f), s.at[r][1] * b);
    }
    s.store_to(at_tile(ds, i, j), pitch);
  }
  void slope_tile_by_row(int i, int j) {
    tile_sums s;
    s.fill(0.f);
    value_product(i, j, s);
    for (int r = 0; r < tile_rows; ++r) {
      const long row = first_row + i * tile_rows + r;
      const reals delta = h->delta[row];
      const std::uint32_t of_row = dropping.rate > 0 ? dropping.of_row(w.where.batch, h->head, row) : 0;
      for (int c = 0; c < tile_columns; c += width) {
        reals dp = s.at[r][c / width];
        if (dropping.rate > 0)
          dp = dropped(dp, of_row, first_key + j * tile_columns + c, dropping.limit(), float(dropping.factor()));
        const float* const weight = at_tile(p, i, j) + r * pitch + c;
        dp = dp - (by_division ? select(load(weight) < reals(0.f), -delta, delta) : delta);
        const reals a = load(slope + r * pitch + j * tile_columns + c);
        store(at_tile(ds, i, j) + r * pitch + c, keep(a != reals(0.f), a * dp));
      }
    }
  }
  void drop() const {
    for (long r = 0; r < rows; ++r)
      drop_links(dropping, where, first_row + r, first_key, key_panels * tile_columns, p + r * pitch);
  }
  void add_to_means(int i) const {
    for (int r = 0; r < tile_rows && i * tile_rows + r < rows; ++r) {
      reals of_ds = 0.f, of_slopes = 0.f, of_weights = 0.f;
      for (long c = 0; c < key_panels * tile_columns; c += width) {
        of_ds = of_ds + load(at_tile(ds, i, 0) + r * pitch + c);
        of_weights = of_weights + load(at_tile(p, i, 0) + r * pitch + c);
        of_slopes = of_slopes + load(slope + r * pitch + c);
      }
      h->slope_dp[first_row + i * tile_rows + r] += sum(of_ds);
      h->slope_total[first_row + i * tile_rows + r] += sum(of_slopes);
      h->weight_total[first_row + i * tile_rows + r] += sum(of_weights);
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
      for (long c = 0; c < depth && products; c += tile_columns)
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


  // 4, 5 for a lambda over channels.
  void pairs_backward() {
    for (int i = 0; i < query_panels; ++i) {
      if (from[i] >= to[i]) continue;
      for (long n = 0; n < w.depth * tile_rows; ++n) of_queries[n] = 0;
      for (int j = from[i]; j < to[i]; ++j)
        if (how[i][j] != dead)
          w.rule->similarities_backward(channels(i, j), w.scale, at_tile(ds, i, j), pitch, of_queries,
                                        dk + j * tile_columns * w.depth, w.gradients);
      for (int r = 0; r < tile_rows; ++r)
        for (long c = 0; c < w.depth; ++c)
          h->dq[packed_place(first_row + i * tile_rows + r, c, depth)] += of_queries[c * tile_rows + r];
    }
  }
  // A distance: each dS also draws its query and its key by themselves.
  void move_apart(long block) {
    for (long r = 0; r < rows; ++r) {
      reals of_row = 0.f;
      for (long c = 0; c < key_panels * tile_columns; c += width) {
        const reals x = load(ds + r * pitch + c);
        of_row = of_row + x;
        store(column_sums + c, load(column_sums + c) + x);
      }
      const reals by = -factor * sum(of_row);
      for (long c = 0; c < depth; c += width) {
        float* const to_query = h->dq + packed_place(first_row + r, c, depth);
        store(to_query, fma(by, load(h->q_rows + query_place(block, r, c)), load(to_query)));
      }
    }
  }
  long query_place(long block, long row, long c) const {
    return block * h->side * depth + c / tile_columns * h->side * tile_columns + row * tile_columns + c % tile_columns;
  }

  // 3, 4, 5 for a block with NaN or infinity in it, so that a link that does not exist leaves no trace (0 * NaN is NaN in
  // the products above).
  void link_by_link(long block) {
    const float* const k = w.k + first_key * w.k_stride;
    for (long i = 0; i < rows; ++i)
      for (long j = 0; j < keys; ++j) {
        if (const float weight = p[i * pitch + j]; weight != 0)
          for (long e = 0; e < w.columns; ++e)
            dv[packed_place(j, e, columns)] +=
                weight * h->d_rows[block * h->side * columns + e / tile_columns * h->side * tile_columns +
                                   i * tile_columns + e % tile_columns];
        const float d = ds[i * pitch + j];
        if (d == 0 || !products) continue;
        for (long c = 0; c < w.depth; ++c) {
          const float q = h->q_rows[query_place(block, i, c)], other = k[j * w.k_stride + c];
          const bool apart = kind == form::distance;
          dk[packed_place(j, c, depth)] += d * (apart ? q - other : q);
          h->dq[packed_place(first_row + i, c, depth)] += d * factor * (apart ? other - q : other);
        }
      }
    if (kind == form::pairwise && !flat) pairs_backward();
  }

  const long depth, columns;  // rounded up to whole panels
  const bool flat;            // no derivative along scores
  const bool products;        // dK and dQ are matrix products
  const float factor;         // of those products
  const attention_dropout dropping;
  const bool by_division;
  float* const k_rows;        // [column panel][side][tile_columns]
  float *const dk, *const dv;  // [group][column panel][tile_rows][tile_columns]; dk of a lambda as k_tiles
  float* const column_sums;   // of dS, [side]
  float* const of_queries;    // [D][tile_rows]
};

void run(const backward_work& w) {
  const flush_denormals flush;
  key_block block(w);
  for (long n = 0; n < w.head_count; ++n) {
    const live_list& live = *w.heads[n].live;
    for (auto r = live.first[w.key_block]; r < live.first[w.key_block + 1]; ++r)
      for (long b = live.runs[r].from; b < live.runs[r].to; ++b) block.take(w.heads[n], b, live.runs[r].full);
  }
  if (!w.means) block.finish();
}

}  // namespace

const backward_kernel_table backward_kernels = {tile_rows, tile_columns, key_block::scratch_size, pack_queries, run, unpack_dq};

}  // namespace qkv::QKV_INSTRUCTION_SET
