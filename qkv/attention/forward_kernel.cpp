// The forward kernel: one block of queries walks over its live key blocks.
//
//   for every key block:   1  scores   S = Q K^T, tile by tile; the tile's epilogue makes weights P = 2^(S - m)
//                          2  check    row sums out of range: that panel again, from its true maximum
//                          3  blend    O += P V
//   at the end             O / sum(P), log-sum-exp
//
// There is no pass for the row maximum: rows start from reference m = 0, which softmax allows because it cancels, and only
// a panel whose sums leave fp32's comfortable range is done again (Milakov & Gimelshein 2018, Dao et al. 2022, with a lazy
// maximum).  Scores are in units of log 2: q carries scale * log2(e).
//
// Everything but softmax of a dot product or a distance stores raw scores, lets the formula rewrite them (one virtual
// call a panel), and weighs them in a second pass: softmax from the true maximum, others by their activation.  Weightings
// that need a whole row keep the scores of all key blocks, side * S numbers, and weigh and blend at the end.
#include <optional>
#include "qkv/attention/key_value_packing.h"
#include "qkv/attention/query_scores.h"
#include "qkv/attention/row_level.h"
#include "qkv/kernels/flush_denormals.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr float headroom = 32;  // a reference found in one pass lies this far above the maximum: later keys may exceed it

class query_block : query_scores {
 public:
  explicit query_block(const forward_work& work)
      : query_scores(work, work.scratch, stores_scores(*work.rule)), columns(rounded_up(w.columns, tile_columns)), normal(w.rule->sum_to_one()),
        softmax(normal == normalised::yes && w.rule->closed_form() == closed::exponential),
        whole_rows(needs_whole_rows(*w.rule)), dropping(w.rule->dropout()), o(q + side * w.depth),
        kept(reinterpret_cast<kept_block*>(o + side * columns)) {
    p = o + side * columns;
    if (whole_rows) {
      long blocks = 0;
      for (long r = 0; r < w.run_count; ++r) blocks += w.runs[r].to - w.runs[r].from;
      p += room_for_kept(blocks);
    }
    for (long i = 0; i < side * columns; i += width) store(o + i, reals(0.f));
    for (int i = 0; i < side; ++i) store(sums[i], reals(0.f)), reference[i] = 0;
  }

  void take(long block, bool block_is_full) {
    begin(block, block_is_full);
    v = w.head.values + (w.narrow ? 0 : block) * w.key_block * columns;
    if (!stored && exact && sizes == value_sizes::ordinary) {
      for (int i = 0; i < side; ++i) store(sums_before[i], load(sums[i]));
      for (int j = 0; j < key_panels; ++j)
        for (int i = 0; i < live_panels; ++i)
          if (how[i][j] != dead || (j > from[i] && j < to[i]))
            kind == form::distance ? weight_tile<form::distance>(i, j) : weight_tile<form::dot>(i, j);
      for (int i = 0; i < live_panels; ++i)
        if (from[i] < to[i] && !in_range(i)) redo_panel(i);
    } else {
      for (int j = 0; j < key_panels; ++j)
        for (int i = 0; i < live_panels; ++i)
          if (j >= from[i] && j < to[i]) raw_tile(i, j);
      for (int i = 0; i < live_panels; ++i)
        if (from[i] < to[i]) whole_rows ? finish_scores(i) : weigh_panel(i);
    }
    whole_rows ? keep_for_later() : blend();
  }

  void finish() {
    if (whole_rows) weigh_whole_rows();
    if (!w.out) return;
    for (int i = 0; i < w.where.rows; ++i) {
      const row_result r = outcome(i);
      unpack_row(o + packed_row(i, columns), w.columns, r.factor, w.out + i * w.out_stride);
      w.lse[i * w.lse_stride] = r.level;
    }
  }

 private:
  // 1  Weights at once: P = 2^(S - m), and their sums.
  template <form Kind>
  void weight_tile(int i, int j) {
    float* const weights = p + i * tile_rows * pitch + j * tile_columns;
    if (how[i][j] == dead) return clear_tile(weights);
    tile_sums s;
    product<Kind>(i, j, s);
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

  // 2  Two passes over raw scores, each row from its maximum.
  void weigh_panel(int i) {
    finish_scores(i);
    for (int r = i * tile_rows; r < (i + 1) * tile_rows && r < w.where.rows; ++r)
      softmax ? weigh_row(r, from[i] * tile_columns, to[i] * tile_columns)
              : activate_row(r, from[i] * tile_columns, to[i] * tile_columns);
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
    bool every_row = true;
    for (int r = 0; r < tile_rows; ++r) {
      const float s = sum(load(sums[i * tile_rows + r]));
      if (s != 0 && s < 1e-18f) return false;
      every_row &= s != 0;
    }
    past_lower_bound[i] = every_row;
    return true;
  }
  static int exponent(float x) { return (__builtin_bit_cast(std::int32_t, x) >> 23 & 255) - 127; }
  // Raw scores p[row][begin .. end) become weights; the reference moves when the maximum has left it far behind.  It is in
  // the units of the scores, so that scores of 1e10 keep their distances from it.
  void weigh_row(int row, int begin, int end) {
    float* const x = p + row * pitch;
    reals top = -infinity;
    for (int c = begin; c < end; c += width) top = max(top, load(x + c));
    const float before = sum(load(sums[row])), old = reference[row];
    const float risen = old + float(exponent(before)) / units_of_2();
    float want = maximum(top) + headroom * !stored;
    if (before > 0 && risen > want) want = risen;
    const bool stays = want == -infinity || (before > 0 && want < old + 20 && want > old - 20);
    if (!stays) move_reference(row, want);
    const reals m = reference[row];
    reals total = load(sums[row]);
    for (int c = begin; c < end; c += width) {
      const reals y = (load(x + c) - m) * reals(units_of_2()), e = keep(!(y < reals(-126.f)), exp2(y));
      store(x + c, e);
      total = total + e;
    }
    store(sums[row], total);
  }
  float units_of_2() const { return stored ? log2_e : 1.f; }
  void move_reference(int row, float to_reference) {
    float by = (reference[row] - to_reference) * units_of_2();
    reference[row] = to_reference;
    moved[row / tile_rows] = true;
    by = by < -252 ? -252 : by > 252 ? 252 : by;
    const reals half = exp2(reals(by * 0.5f));  // twice, as 2^252 is beyond fp32
    store(sums[row], load(sums[row]) * half * half);
    float* const start = o + packed_row(row, columns);
    for (float* at = start; at < start + tile_rows * columns; at += tile_rows * tile_columns)
      for (int c = 0; c < tile_columns; c += width) store(at + c, load(at + c) * half * half);
  }

  // Weights that no level shifts: the activation alone.  `sums` counts a row's links, or adds up magnitudes.
  void activate_row(int row, int begin, int end) {
    float* const x = p + row * pitch;
    reals total = load(sums[row]);
    for (int c = begin; c < end && normal == normalised::no; c += width)
      total = total + select(load(x + c) == reals(-infinity), reals(0.f), reals(1.f));
    w.rule->activate(x + begin, end - begin, 0, 0, x + begin, nullptr);
    for (int c = begin; c < end && normal == normalised::by_division; c += width) total = total + abs(load(x + c));
    store(sums[row], total);
  }

  // 3  O += P V over each panel's live range.
  void blend() {
    if (dropping.rate > 0) drop();
    if (!exact) return blend_links();
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

  // A block with NaN or infinity in it: link by link, so that a link that does not exist leaves no trace (0 * NaN is NaN
  // in the product above).
  void blend_links() {
    for (int i = 0; i < live_panels; ++i)
      for (int r = i * tile_rows; r < (i + 1) * tile_rows && r < w.where.rows; ++r)
        for (int j = from[i] * tile_columns; j < to[i] * tile_columns && j < keys; ++j)
          if (const float weight = p[r * pitch + j]; weight != 0)
            for (long e = 0; e < w.columns; ++e)
              o[packed_place(r, e, columns)] +=
                  weight * v[e / tile_columns * w.key_block * tile_columns + j * tile_columns + e % tile_columns];
  }
  void drop() {
    for (int i = 0; i < live_panels; ++i)
      for (int r = i * tile_rows; r < (i + 1) * tile_rows && r < w.where.rows; ++r)
        drop_links(dropping, w.where, r, first_key + from[i] * tile_columns, (to[i] - from[i]) * tile_columns,
                   p + r * pitch + from[i] * tile_columns);
  }

  // Whole rows: the scores of each key block stay where they are, the next block's go behind them.
  void keep_for_later() {
    kept_block& b = kept[kept_count++];
    b = {p, first_key, keys, v, exact, {}, {}};
    for (int i = 0; i < live_panels; ++i) b.from[i] = from[i], b.to[i] = to[i];
    p += side * pitch;
  }
  void weigh_whole_rows() {
    for (int i = 0; i < live_panels; ++i)
      for (int r = i * tile_rows; r < (i + 1) * tile_rows && r < w.where.rows; ++r)
        whole[r] = whole_row(w, kept, kept_count, i, r).weigh();
    for (int n = 0; n < kept_count && w.out; ++n) {
      p = kept[n].p, first_key = kept[n].first_key, keys = kept[n].keys, v = kept[n].v, exact = kept[n].exact;
      for (int i = 0; i < live_panels; ++i) from[i] = kept[n].from[i], to[i] = kept[n].to[i];
      if (w.narrow) widen_values(w, first_key, keys);
      blend();
    }
  }

  // What a row of O is multiplied by, and its level: the score that would weigh 1.
  row_result outcome(int i) const {
    if (whole_rows) return whole[i];
    float total = sum(load(sums[i])), m = reference[i];
    if (total == 0) return {0, -infinity};
    if (normal == normalised::no) return {1, 0};
    if (normal == normalised::by_division) return {1 / total, float(__builtin_log(double(total)))};
    float factor = 1;
    if (w.sink) {  // one more score, without a value
      const float s = stored ? *w.sink : *w.sink * log2_e, top = s > m ? s : m;
      factor = __builtin_exp2f((m - top) * units_of_2());
      total = total * factor + __builtin_exp2f((s - top) * units_of_2());
      m = top;
    }
    return {factor / total, float(double(m) * (stored ? 1 : ln_2) + __builtin_log(double(total)))};
  }

  const long columns;             // E, rounded up to whole panels
  const normalised normal;
  const bool softmax, whole_rows;
  const attention_dropout dropping;
  float* const o;                 // [panel][column panel][tile_rows][tile_columns]
  kept_block* const kept;
  int kept_count = 0;
  bool moved[panels] = {}, past_lower_bound[panels] = {};
  alignas(64) float sums[side][width], sums_before[side][width];
  float reference[side];
  row_result whole[side];
  const float* v = nullptr;       // of the key block at hand
};

long scratch_size(long depth, long columns, long blocks) {
  return side * depth + side * rounded_up(columns, tile_columns) + room_for_kept(blocks) +
         blocks * side * pitch;
}

void run(const forward_work& w) {
  const flush_denormals flush;
  query_block block(w);
  for (long r = 0; r < w.run_count; ++r)
    for (long b = w.runs[r].from; b < w.runs[r].to; ++b) block.take(b, w.runs[r].full);
  block.finish();
}

void run_narrow(const forward_work* works, long count) {
  const flush_denormals flush;
  std::optional<query_block> blocks[narrow_together];
  long at[narrow_together] = {};  // each one's run at hand
  for (long n = 0; n < count; ++n) blocks[n].emplace(works[n]);
  for (long b = 0; b * works->key_block < works->where.all_keys; ++b) {
    bool is_there = false;
    for (long n = 0; n < count; ++n) {
      const forward_work& w = works[n];
      while (at[n] < w.run_count && w.runs[at[n]].to <= b) ++at[n];
      if (at[n] == w.run_count || w.runs[at[n]].from > b) continue;
      if (!is_there) widen_keys_values(w, b);
      is_there = true;
      blocks[n]->take(b, w.runs[at[n]].full);
    }
  }
  for (long n = 0; n < count; ++n) blocks[n]->finish();
}

}  // namespace

const forward_kernel_table forward_kernels = {tile_rows, tile_columns, scratch_size, pack_keys_values, run, run_narrow};

}  // namespace qkv::QKV_INSTRUCTION_SET
