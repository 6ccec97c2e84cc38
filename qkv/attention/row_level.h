// Weights of a whole row at once: those whose level is found by search (sparsemax, entmax, a lambda that is to sum to 1)
// and those of the best links alone (top-k).  Included by the forward kernel.
#pragma once
#include "qkv/attention/link_choice.h"
#include "qkv/attention/query_scores.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

/// The scores of one key block, kept until the whole row is there.
struct kept_block {
  float* p;                    // [side][pitch]
  long first_key, keys;
  const float* v;
  bool exact;
  int from[panels], to[panels];  // the live range of each panel
};

constexpr long room_for_kept(long blocks) { return rounded_up(blocks * long(sizeof(kept_block)) / 4, 16); }

/// What a row of the blend is multiplied by, and the row's level: the score that would weigh 1.
struct row_result {
  float factor, level;
};

class whole_row {
 public:
  whole_row(const forward_work& work, const kept_block* kept, int kept_count, int of_panel, int of_row)
      : w(work), blocks(kept), count(kept_count), panel(of_panel), row(of_row) {}

  row_result weigh() {
    if (w.rule->row().keep > 0) {
      const row_cut cut = best_links(w.rule->row().keep);
      if (w.cuts) w.cuts[row] = cut;
      leave_out(cut);
    }
    const float most = top();
    if (most == -infinity) {
      each([](float* x) { store(x, reals(0.f)); });
      return {0, -infinity};
    }
    if (w.rule->sum_to_one() != normalised::yes) return without_level();
    return {1, w.rule->closed_form() == closed::exponential ? softmax(most) : level_by_search(most)};
  }

 private:
  float* scores(int n) const { return blocks[n].p + row * pitch + blocks[n].from[panel] * tile_columns; }
  long length(int n) const { return (blocks[n].to[panel] - blocks[n].from[panel]) * tile_columns; }  // <= 0: dead
  long first_key(int n) const { return blocks[n].first_key + blocks[n].from[panel] * tile_columns; }
  void each(auto f) const {
    for (int n = 0; n < count; ++n)
      for (long j = 0; j < length(n); j += width) f(scores(n) + j);
  }
  float top() const {
    reals most = -infinity, odd = 0.f;
    each([&](float* x) {
      const reals y = load(x);
      most = max(y, most);
      odd = odd + keep(y != y, y);
    });
    const float top = maximum(most);
    return sum(odd) == 0 ? w.sink && *w.sink > top && top > -infinity ? *w.sink : top : __builtin_nanf("");
  }

  // The best links of a weighting that no level shifts.
  row_result without_level() const {
    for (int n = 0; n < count; ++n) w.rule->activate(scores(n), length(n), 0, 0, scores(n), nullptr);
    if (w.rule->sum_to_one() == normalised::no) return {1, 0};
    reals total = 0.f;
    each([&](float* x) { total = total + abs(load(x)); });
    const float all = sum(total);
    return all == 0 ? row_result{0, -infinity} : row_result{1 / all, float(__builtin_log(double(all)))};
  }

  float softmax(float most) const {
    reals total = 0.f;
    each([&](float* x) {
      const reals y = (load(x) - reals(most)) * reals(1.4426950408889634f), e = keep(!(y < reals(-126.f)), exp2(y));
      store(x, e);
      total = total + e;
    });
    const float all_weights = sum(total) + (w.sink ? __builtin_expf(*w.sink - most) : 0.f);
    each([&](float* x) { store(x, load(x) / reals(all_weights)); });
    return float(double(most) + __builtin_log(double(all_weights)));
  }

  // Newton's method on the sum of weights as a function of the level, kept between bounds that halving narrows.
  // Convex activations come from below and never overshoot.
  float level_by_search(float most) const {
    float low = 0, high = w.unit_reach - w.least_reach, at = low;  // above the greatest score
    for (float step = 1; totals(most, low).weight < 1 && step < 1e12f; step *= 2) at = low -= step;
    for (int n = 0; n < 60 && most - most == 0; ++n) {
      const row_totals t = totals(most, at);
      const double rest = t.weight - 1;
      if (!(rest != 0)) break;
      (rest > 0 ? low : high) = at;
      float next = at + float(rest / t.slope);
      if (!(next > low && next < high)) next = low + (high - low) / 2;
      if (!(next > low && next < high)) break;  // nothing lies between them
      const bool settled = __builtin_fabsf(next - at) <= 3e-8f * (1 + __builtin_fabsf(at));
      at = next;
      if (settled) break;
    }
    for (int n = 0; n < count; ++n)
      w.rule->activate(scores(n), length(n), most, w.unit_reach - at, scores(n), nullptr);
    return most + at;
  }
  row_totals totals(float most, float above) const {
    const auto of = [&](const float* x, long n) { return w.rule->activation_totals(x, n, most, w.unit_reach - above); };
    row_totals t{};
    for (int n = 0; n < count; ++n) {
      const row_totals one = of(scores(n), length(n));
      t.weight += one.weight, t.slope += one.slope;
    }
    if (w.sink) {
      float alone[width];
      for (float& x : alone) x = -infinity;
      alone[0] = *w.sink;
      const row_totals one = of(alone, width);
      t.weight += one.weight, t.slope += one.slope;
    }
    return t;
  }

  // The best links: all above an order, and of those at it the ones up to a key.
  row_cut best_links(long best) const {
    constexpr std::int32_t none = -0x7f800001;  // the order of -infinity
    long long low = none + 1ll, high = 0x7fffffff;
    if (count_from(std::int32_t(low)) <= best) return {std::int32_t(low), 0x7fffffff};
    while (low < high) {  // the greatest order that at least `best` links reach
      const long long middle = low + (high - low + 1) / 2;
      const long links = count_from(std::int32_t(middle));
      if (links == best) return {std::int32_t(middle), 0x7fffffff};
      if (links > best) low = middle;
      else high = middle - 1;
    }
    const std::int32_t order = std::int32_t(low);
    const long above = order == 0x7fffffff ? 0 : count_from(order + 1);
    return {order, key_of_tie(order, best - above)};
  }
  long count_from(std::int32_t order) const {
    wholes found = 0;
    each([&](float* x) { found = found - wholes((order_of(load(x)) >= wholes(order)).v); });
    long all_lanes = 0;
    for (int n = 0; n < width; ++n) all_lanes += found.v[n];
    return all_lanes;
  }
  std::int32_t key_of_tie(std::int32_t order, long ties) const {
    for (int n = 0; n < count; ++n)
      for (long j = 0; j < length(n); j += width) {
        const wholes x = order_of(load(scores(n) + j));
        for (int lane = 0; lane < width; ++lane)
          if (x.v[lane] == order && --ties == 0) return std::int32_t(first_key(n) + j + lane);
      }
    return 0x7fffffff;
  }
  void leave_out(const row_cut& cut) const {
    for (int n = 0; n < count; ++n)
      for (long j = 0; j < length(n); j += width) {
        const reals x = load(scores(n) + j);
        store(scores(n) + j, select(within(cut, x, first_key(n) + j), x, reals(-infinity)));
      }
  }


  const forward_work& w;
  const kept_block* blocks;
  int count, panel, row;
};

}  // namespace
}  // namespace qkv::QKV_INSTRUCTION_SET
