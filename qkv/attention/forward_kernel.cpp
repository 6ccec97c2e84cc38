// The forward kernel: one block of queries walks over its live key blocks.
//
//   for every key block:   1  scores   S = Q K^T, tile by tile; the tile's epilogue makes weights P = 2^(S - m)
//                          2  check    row sums out of range: that panel again, from its true maximum
//                          3  blend    O += P V
//   at the end             O / sum(P), log-sum-exp
//
// There is no pass for the row maximum: rows start from reference m = 0, which softmax allows because it cancels, and
// only a panel whose sums leave fp32's comfortable range is done again (Milakov & Gimelshein 2018, Dao et al. 2022, with a
// lazy maximum).  Scores are in units of log 2: q carries scale * log2(e).  Formulas with score parts store raw scores,
// let the formula rewrite them (one virtual call a panel), and take the two-pass way always.
#include "qkv/attention/forward_kernel.h"

#include "qkv/attention/packing.h"
#include "qkv/attention/tile_cover.h"
#include "qkv/kernels/flush_denormals.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr float log2_e = 1.4426950408889634f, infinity = __builtin_inff();
constexpr double ln_2 = 0.6931471805599453;
constexpr int side = forward_query_side, panels = side / tile_rows;
constexpr int pitch = forward_key_side + 16;  // of the weights' rows; not a power of two, for the cache's sake
constexpr float headroom = 32;  // a reference found in one pass lies this far above the maximum: later keys may exceed it
constexpr int most_key_panels = forward_key_side / tile_columns;

class query_block {
 public:
  explicit query_block(const forward_work& work)
      : w(work), columns(rounded_up(w.columns, tile_columns)), scores(w.rule->scores()),
        live_panels(int((w.where.rows + tile_rows - 1) / tile_rows)), q(w.scratch), p(q + side * w.depth),
        o(p + side * pitch) {
    finite = true;
    for (int i = 0; i < live_panels; ++i)
      finite &= pack_panel<tile_rows>(w.queries + i * tile_rows * w.query_stride, w.query_stride,
                                      w.where.rows - i * tile_rows, w.depth, w.scale * (scores ? 1.f : log2_e),
                                      q + i * tile_rows * w.depth);
    for (long i = 0; i < side * columns; i += width) store(o + i, reals(0.f));
    for (int i = 0; i < side; ++i) store(sums[i], reals(0.f)), reference[i] = 0;
  }

  void take(long block, bool block_is_full) {
    first_key = block * w.key_block;
    keys = w.where.all_keys - first_key < w.key_block ? w.where.all_keys - first_key : w.key_block;
    key_panels = int((keys + tile_columns - 1) / tile_columns);
    k = w.head.keys + block * w.key_block * w.depth;
    v = w.head.values + block * w.key_block * columns;
    classify(block_is_full);
    if (!finite || !w.head.finite[block]) return careful();
    for (int i = 0; i < side; ++i) store(sums_before[i], load(sums[i]));
    for (int j = 0; j < key_panels; ++j)
      for (int i = 0; i < live_panels; ++i)
        if (how[i][j] != dead || (j > from[i] && j < to[i])) scores ? raw_tile(i, j) : weight_tile(i, j);
    for (int i = 0; i < live_panels; ++i)
      if (from[i] < to[i]) scores ? weigh_panel(i) : in_range(i) ? void() : redo_panel(i);
    blend();
  }

  void finish() const {
    for (int i = 0; i < w.where.rows; ++i) {
      float total = sum(load(sums[i])), m = reference[i], factor = 0;
      if (total != 0) {
        if (w.sink) {  // one more score, without a value
          const float s = *w.sink * log2_e, top = s > m ? s : m;
          factor = __builtin_exp2f(m - top);
          total = total * factor + __builtin_exp2f(s - top);
          m = top;
          factor /= total;
        } else {
          factor = 1 / total;
        }
      }
      unpack_row(o + packed_row(i, columns), w.columns, factor, w.out + i * w.out_stride);
      w.lse[i * w.lse_stride] = total != 0 ? float((m + __builtin_log2(double(total))) * ln_2) : -infinity;
    }
  }

 private:
  tile tile_at(int i, int j, int key_tiles) const {
    tile t = w.where;
    t.row += i * tile_rows;
    t.rows = w.where.rows - i * tile_rows < tile_rows ? w.where.rows - i * tile_rows : tile_rows;
    t.key = first_key + j * tile_columns;
    t.keys = key_tiles * tile_columns;
    return t;
  }

  // Which tiles of this block are dead, partial, full; and the live range of each panel.
  void classify(bool block_is_full) {
    for (int i = 0; i < live_panels; ++i) {
      from[i] = key_panels, to[i] = 0;
      for (int j = 0; j < key_panels; ++j) {
        how[i][j] = !block_is_full ? cover_of(*w.rule, tile_at(i, j, 1), existing(j))
                    : existing(j) == tile_columns ? full : part;
        if (how[i][j] == dead) continue;
        if (j < from[i]) from[i] = j;
        to[i] = j + 1;
      }
    }
  }
  long existing(int j) const { return keys - j * tile_columns < tile_columns ? keys - j * tile_columns : tile_columns; }

  [[gnu::always_inline]] void product(int i, int j, tile_sums& s) const {
    s.add_product<1, tile_rows>(q + i * tile_rows * w.depth, k + j * tile_columns * w.depth, w.depth);
  }
  // 1  Weights at once: P = 2^(S - m), and their sums.
  void weight_tile(int i, int j) {
    float* const weights = p + i * tile_rows * pitch + j * tile_columns;
    if (how[i][j] == dead) return clear_tile(weights);
    tile_sums s;
    s.fill(0.f);
    product(i, j, s);
    if (moved[i])
#pragma GCC unroll 16
      for (int r = 0; r < tile_rows; ++r)
        for (reals& x : s.at[r]) x = x - reals(reference[i * tile_rows + r]);
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r) s.at[r][0] = exp2(s.at[r][0]), s.at[r][1] = exp2(s.at[r][1]);
    if (how[i][j] == part) {
      alignas(64) std::int32_t truth[tile_rows * tile_columns];
      truth_of(*w.rule, tile_at(i, j, 1), existing(j), truth);
#pragma GCC unroll 16
      for (int r = 0; r < tile_rows; ++r) {
        s.at[r][0] = keep(load_truth(truth + r * tile_columns), s.at[r][0]);
        s.at[r][1] = keep(load_truth(truth + r * tile_columns + width), s.at[r][1]);
      }
    }
    s.store_to(weights, pitch);
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r) {
      float* const to_sum = sums[i * tile_rows + r];
      store(to_sum, load(to_sum) + (s.at[r][0] + s.at[r][1]));
    }
  }
  void raw_tile(int i, int j) const {
    tile_sums s;
    s.fill(0.f);
    product(i, j, s);
    s.store_to(p + i * tile_rows * pitch + j * tile_columns, pitch);
  }
  static void clear_tile(float* at) {
    for (int r = 0; r < tile_rows; ++r) store(at + r * pitch, reals(0.f)), store(at + r * pitch + width, reals(0.f));
  }

  // 2  Two passes over raw scores: -infinity where there is no link, then each row from its maximum.
  void weigh_panel(int i) {
    float* const row = p + i * tile_rows * pitch;
    if (scores) w.rule->score(tile_at(i, from[i], to[i] - from[i]), row + from[i] * tile_columns, pitch);
    for (int j = from[i]; j < to[i]; ++j) {
      if (how[i][j] == full) continue;
      alignas(64) std::int32_t truth[tile_rows * tile_columns] = {};
      if (how[i][j] == part) truth_of(*w.rule, tile_at(i, j, 1), existing(j), truth);
      for (int r = 0; r < tile_rows; ++r)
        for (int c = 0; c < tile_columns; c += width) {
          float* const at = row + r * pitch + j * tile_columns + c;
          store(at, select(load_truth(truth + r * tile_columns + c), load(at), reals(-infinity)));
        }
    }
    for (int r = i * tile_rows; r < (i + 1) * tile_rows && r < w.where.rows; ++r)
      weigh_row(r, from[i] * tile_columns, to[i] * tile_columns);
  }
  void redo_panel(int i) {
    for (int r = 0; r < tile_rows; ++r) store(sums[i * tile_rows + r], load(sums_before[i * tile_rows + r]));
    for (int j = from[i]; j < to[i]; ++j) raw_tile(i, j);
    weigh_panel(i);
  }
  // Row sums between these bounds lose nothing; a sum of 0 is a row without a live link so far.  Sums only grow, so a
  // panel that has once passed the lower bound is looked at from above alone.
  bool in_range(int i) {
    reals most = 0.f;
    for (int r = 0; r < tile_rows; ++r) most = max(load(sums[i * tile_rows + r]), most);
    if (!all(most < reals(1e24f))) return false;
    if (past_lower_bound[i]) return true;
    past_lower_bound[i] = true;
    for (int r = 0; r < tile_rows; ++r) {
      const float s = sum(load(sums[i * tile_rows + r]));
      if (s != 0 && s < 1e-18f) return false;
      past_lower_bound[i] &= s != 0;
    }
    return true;
  }
  static int exponent(float x) {
    return (__builtin_bit_cast(std::int32_t, x) >> 23 & 255) - 127;
  }
  // Raw scores p[row][begin .. end) become weights; the reference moves when the maximum has left it far behind.
  void weigh_row(int row, int begin, int end) {
    float* const x = p + row * pitch;
    const reals unit = scores ? log2_e : 1.f;
    reals top = -infinity;
    for (int c = begin; c < end; c += width) top = max(top, load(x + c));
    const float before = sum(load(sums[row])), old = reference[row];
    float want = maximum(top * unit) + headroom * !scores;
    if (before > 0 && old + float(exponent(before)) > want) want = old + float(exponent(before));
    const bool stays = want == -infinity || (before > 0 && want < old + 20 && want > old - 20);
    if (!stays) move_reference(row, want);
    const reals m = reference[row];
    reals total = load(sums[row]);
    for (int c = begin; c < end; c += width) {
      const reals y = fma(load(x + c), unit, -m), e = keep(!(y < reals(-126.f)), exp2(y));
      store(x + c, e);
      total = total + e;
    }
    store(sums[row], total);
  }
  void move_reference(int row, float to_reference) {
    float by = reference[row] - to_reference;
    reference[row] = to_reference;
    moved[row / tile_rows] = true;
    by = by < -252 ? -252 : by > 252 ? 252 : by;
    const reals half = exp2(reals(by * 0.5f));  // twice, as 2^252 is beyond fp32
    store(sums[row], load(sums[row]) * half * half);
    float* const start = o + packed_row(row, columns);
    for (float* at = start; at < start + tile_rows * columns; at += tile_rows * tile_columns)
      for (int c = 0; c < tile_columns; c += width) store(at + c, load(at + c) * half * half);
  }

  // 3  O += P V over each panel's live range.
  void blend() const {
    for (long c = 0; c < columns; c += tile_columns)
      for (int i = 0; i < live_panels; ++i) {
        if (from[i] >= to[i]) continue;
        float* const at = o + i * tile_rows * columns + c * tile_rows;
        tile_sums s;
        s.load_from(at, tile_columns);
        s.add_product<pitch, 1>(p + i * tile_rows * pitch + from[i] * tile_columns,
                                v + c * w.key_block + from[i] * tile_columns * tile_columns,
                                (to[i] - from[i]) * tile_columns);
        s.store_to(at, tile_columns);
      }
  }

  // A block with NaN or infinity in q, k or v: link by link, so that a link that does not exist leaves no trace
  // (0 * NaN is NaN in the products above).
  void careful() {
    const int end = key_panels * tile_columns;
    for (int i = 0; i < w.where.rows; ++i) {
      float* const x = p + i * pitch;
      for (int j = 0; j < end; ++j) {
        x[j] = 0;
        for (long d = 0; d < w.depth && j < keys; ++d)
          x[j] += q[i / tile_rows * tile_rows * w.depth + d * tile_rows + i % tile_rows] *
                  w.head.raw_keys[(first_key + j) * w.head.raw_key_stride + d];
      }
    }
    for (int i = 0; i < live_panels; ++i) {
      if (from[i] >= to[i]) continue;
      weigh_panel(i);
      for (int r = i * tile_rows; r < (i + 1) * tile_rows && r < w.where.rows; ++r)
        for (int j = from[i] * tile_columns; j < to[i] * tile_columns && j < keys; ++j)
          if (const float weight = p[r * pitch + j]; weight != 0)
            for (long e = 0; e < w.columns; ++e)
              o[packed_row(r, columns) + e / tile_columns * tile_rows * tile_columns + e % tile_columns] +=
                  weight * w.head.raw_values[(first_key + j) * w.head.raw_value_stride + e];
    }
  }

  const forward_work& w;
  const long columns;             // E, rounded up to whole panels
  const bool scores;
  const int live_panels;          // of this block's queries
  float *q, *p, *o;               // [panel][D][tile_rows], [side][pitch], [panel][column panel][tile_rows][tile_columns]
  bool finite, moved[panels] = {}, past_lower_bound[panels] = {};
  alignas(64) float sums[side][width], sums_before[side][width];
  float reference[side];
  // The key block at hand.
  long first_key = 0, keys = 0;
  int key_panels = 0;
  const float *k = nullptr, *v = nullptr;
  int from[panels], to[panels];
  cover how[panels][most_key_panels];
};

long scratch_size(long depth, long columns) {
  return side * depth + side * pitch + side * rounded_up(columns, tile_columns);
}

bool pack_keys_values(const float* k, long k_stride, const float* v, long v_stride, long keys, long key_block, long depth,
                      long columns, float* packed_keys, float* packed_values) {
  bool finite = true;
  for (long j = 0; j < keys; j += tile_columns)
    finite &= pack_panel<tile_columns>(k + j * k_stride, k_stride, keys - j, depth, 1.f, packed_keys + j * depth);
  return finite & pack_rows(v, v_stride, keys, rounded_up(keys, tile_columns), columns, 1.f, packed_values,
                            key_block * tile_columns);
}

void run(const forward_work& w) {
  const flush_denormals flush;
  query_block block(w);
  for (long r = 0; r < w.run_count; ++r)
    for (long b = w.runs[r].from; b < w.runs[r].to; ++b) block.take(b, w.runs[r].full);
  block.finish();
}

}  // namespace

const forward_kernel_table forward_kernels = {tile_rows, tile_columns, scratch_size, pack_keys_values, run};

}  // namespace qkv::QKV_INSTRUCTION_SET
