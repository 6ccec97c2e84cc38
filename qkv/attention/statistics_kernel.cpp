// The statistics kernel: scores of a block of queries against all live keys, weighed row by row as a whole
// (row_level.h), and each row's weights read once by every question.
#include "qkv/attention/statistics_kernel.h"

#include "qkv/attention/query_scores.h"
#include "qkv/attention/row_level.h"
#include "qkv/kernels/flush_denormals.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr long most_top = 64;

class told_rows : query_scores {
 public:
  explicit told_rows(const statistics_work& work)
      : query_scores(*work.scores, work.scores->scratch, true), ask(work),
        kept(reinterpret_cast<kept_block*>(q + side * w.depth)) {
    long blocks = 0;
    for (long r = 0; r < w.run_count; ++r) blocks += w.runs[r].to - w.runs[r].from;
    p = q + side * w.depth + room_for_kept(blocks);
  }

  void take(long block, bool block_is_full) {
    begin(block, block_is_full);
    for (int j = 0; j < key_panels; ++j)
      for (int i = 0; i < live_panels; ++i)
        if (j >= from[i] && j < to[i]) raw_tile(i, j);
    for (int i = 0; i < live_panels; ++i)
      if (from[i] < to[i]) finish_scores(i);
    keep_scores(kept[kept_count++]);
  }

  void tell() {
    for (int i = 0; i < live_panels; ++i)
      for (int r = i * tile_rows; r < (i + 1) * tile_rows && r < w.where.rows; ++r) {
        const row_result found = whole_row(w, kept, kept_count, i, r).weigh();
        panel = i, row = r;
        if (found.factor != 1) each([&](float* x, long) { store(x, load(x) * reals(found.factor)); });
        if (ask.level) ask.level[r * ask.row_stride] = found.level;
        tell_row();
      }
  }

 private:
  void keep_scores(kept_block& b) {
    b = {p, first_key, keys, nullptr, exact, {}, {}};
    for (int i = 0; i < live_panels; ++i) b.from[i] = from[i], b.to[i] = to[i];
    p += side * pitch;
  }
  // f(register of weights, key of the first).  The last register of a row may run past its keys: weights there are 0.
  void each(auto f) const {
    for (int n = 0; n < kept_count; ++n) {
      const kept_block& b = kept[n];
      for (int c = b.from[panel] * tile_columns; c < b.to[panel] * tile_columns; c += width)
        f(b.p + row * pitch + c, b.first_key + c);
    }
  }

  void tell_row() {
    if (ask.entropy || ask.maximum) tell_spread();
    if (ask.top > 0) tell_top();
    if (ask.received) {
      const reals share = ask.shares ? ask.shares[row * ask.share_stride] : 1.f;
      each([&](float* x, long key) { add(ask.received, key, w.where.all_keys, load(x) * share); });
    }
    if (ask.distances) {
      const long shift = w.where.all_rows - 1 - (w.where.row + row);
      each([&](float* x, long key) { add(ask.distances, shift + key, shift + w.where.all_keys, load(x)); });
    }
    if (ask.detected) tell_detected();
    if (ask.map.sums) tell_map();
    if (ask.dense) tell_dense();
  }
  // to[at ...] += x, nothing from `end` on.
  static void add(float* to, long at, long end, reals x) {
    if (at + width <= end) return store(to + at, load(to + at) + x);
    for (long n = 0; at + n < end; ++n) to[at + n] += x.v[n];
  }

  void tell_spread() const {
    reals sum_of = 0.f, most = 0.f;
    each([&](float* at, long) {
      const reals x = load(at);
      most = select(x > most || x != x, x, most);
      if (ask.entropy) sum_of = sum_of + select(x == reals(0.f), reals(0.f), x * log(x));
    });
    if (ask.entropy) ask.entropy[row * ask.row_stride] = -sum(sum_of);
    if (ask.maximum) ask.maximum[row * ask.row_stride] = maximum(most);
  }

  // The best links, greatest first; ties go to the earlier key.
  void tell_top() const {
    float weights[most_top];
    std::int32_t keys_of[most_top];
    long n = 0;
    float least = 0;
    each([&](float* at, long key) {
      const reals x = load(at);
      if (n == ask.top && !any(x > reals(least))) return;
      for (int lane = 0; lane < width; ++lane) {
        const float weight = at[lane];
        if (weight == 0 || (n == ask.top && !(weight > least))) continue;
        long place = n < ask.top ? n++ : n - 1;
        for (; place > 0 && weights[place - 1] < weight; --place)
          weights[place] = weights[place - 1], keys_of[place] = keys_of[place - 1];
        weights[place] = weight, keys_of[place] = std::int32_t(key + lane);
        least = weights[n - 1];
      }
    });
    for (long i = 0; i < ask.top; ++i) {
      ask.top_keys[row * ask.row_stride * ask.top + i] = i < n ? keys_of[i] : -1;
      ask.top_weights[row * ask.row_stride * ask.top + i] = i < n ? weights[i] : 0;
    }
  }
  static bool any(lanes<bool> a) { return !all(!a); }

  // Weight on the token before; on earlier tokens like this one; on tokens that followed one like this.
  void tell_detected() const {
    const long place = w.where.offset + w.where.row + row, n = w.where.all_keys;
    const bool known = place >= 0 && place < n;
    const std::int32_t mine = known ? ask.tokens[place] : 0;
    each([&](float* at, long key) {
      for (long lane = 0; lane < width && key + lane < n; ++lane) {
        const long j = key + lane;
        if (j == place - 1) ask.detected[0] += at[lane];
        if (known && j < place && ask.tokens[j] == mine) ask.detected[1] += at[lane];
        if (known && j > 0 && j <= place && ask.tokens[j - 1] == mine && j - 1 != place) ask.detected[2] += at[lane];
      }
    });
  }

  void tell_map() const {
    const map_work& m = ask.map;
    const long i = w.where.row + row - m.row;
    if (i < 0 || i >= m.rows) return;
    float* const cells = m.sums + i * m.down / m.rows * m.across;
    const auto first_key_of = [&](long cell) { return (cell * m.keys + m.across - 1) / m.across; };
    each([&](float* at, long key) {
      const long j = key - m.key, end = j + width < m.keys ? j + width : m.keys;
      if (end <= 0 || j >= m.keys) return;
      const long first = j > 0 ? j : 0;
      long cell = first * m.across / m.keys, next = first_key_of(cell + 1);
      for (long n = first; n < end; ++n) {
        if (n == next) next = first_key_of(++cell + 1);
        cells[cell] += at[n - j];
      }
    });
  }
  void tell_dense() const {
    float* const mine = ask.dense + row * w.where.all_keys;
    for (long j = 0; j < w.where.all_keys; ++j) mine[j] = 0;
    each([&](float* at, long key) {
      for (long lane = 0; lane < width && key + lane < w.where.all_keys; ++lane) mine[key + lane] = at[lane];
    });
  }

  const statistics_work& ask;
  kept_block* const kept;
  int kept_count = 0, panel = 0, row = 0;
};

void run(const statistics_work& work) {
  const flush_denormals flush;
  told_rows rows(work);
  const forward_work& w = *work.scores;
  for (long r = 0; r < w.run_count; ++r)
    for (long b = w.runs[r].from; b < w.runs[r].to; ++b) rows.take(b, w.runs[r].full);
  rows.tell();
}

}  // namespace

const statistics_kernel_table statistics_kernels = {run};

}  // namespace qkv::QKV_INSTRUCTION_SET
