// One query's links: which there are, their scores, their weights.  Included by the graph kernel only.
#pragma once
#include "qkv/attention/graph_kernel.h"
#include "qkv/attention/row_level.h"
#include "qkv/kernels/reduce_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

constexpr long links_at_a_time = 64;  // of a similarity that is no dot product; a multiple of every register's width

/// to += or = factor * sum over n of coefficient(n) * value(n, c, part), for c below `columns`.  A coefficient of 0
/// leaves no trace of its value.
void weighted_sum(long count, const auto& coefficient, const auto& value, long columns, float factor, bool add,
                  float* to) {
  long c = 0;
  for (; c + 4 * width <= columns; c += 4 * width) {
    reals s[4] = {0.f, 0.f, 0.f, 0.f};
    for (long n = 0; n < count; ++n)
      if (const float a = coefficient(n); a != 0)
        for (int m = 0; m < 4; ++m) s[m] = fma(reals(a), value(n, c + m * width, whole_lanes{}), s[m]);
    for (int m = 0; m < 4; ++m)
      store(to + c + m * width, fma(s[m], reals(factor), add ? load(to + c + m * width) : reals(0.f)));
  }
  for_lanes(columns - c, [&](long i, auto part) {
    reals s = 0.f;
    for (long n = 0; n < count; ++n)
      if (const float a = coefficient(n); a != 0) s = fma(reals(a), value(n, c + i, part), s);
    store_part(to + c + i, fma(s, reals(factor), add ? load_part(to + c + i, part) : reals(0.f)), part);
  });
}

/// to[n] = factor * sum over c of term(x[c], row(n)[c], sum so far), for n below count and up to three beyond.
void pair_sums(const float* x, long count, const auto& row, long channels, const auto& term, float factor, float* to) {
  for (long n = 0; n < count; n += 4) {
    const float* y[4];
    for (long m = 0; m < 4; ++m) y[m] = row(n + m < count ? n + m : count - 1);
    reals s[4] = {0.f, 0.f, 0.f, 0.f};
    for_lanes(channels, [&](long c, auto part) {
      const reals a = load_part(x + c, part);
      for (int m = 0; m < 4; ++m) s[m] = term(a, load_part(y[m] + c, part), s[m]);
    });
    for (int m = 0; m < 4; ++m) to[n + m] = factor * sum(s[m]);
  }
}
constexpr auto product_term = [](reals a, reals b, reals s) { return fma(a, b, s); };
constexpr auto square_term = [](reals a, reals b, reals s) { return fma(a - b, a - b, s); };

/// Pairs of a query and a key, laid out for the formula's loops; their gradients beside them.
struct packed_links {
  packed_links(float* scratch, long channels)
      : depth(channels),
        q(scratch),
        k(q + links_at_a_time * depth),
        dq(k + links_at_a_time * depth),
        dk(dq + links_at_a_time * depth),
        ignored(dk + links_at_a_time * depth) {}
  static constexpr long floats(long depth) { return rounded_up((4 * links_at_a_time + 1) * depth, 16); }

  void pack(long count, const auto& query, const auto& key) {
    links = count;
    for (long n = 0; n < count; ++n) place(query(n), q + n), place(key(n), k + n);
    for (long n = count; n < rounded_up(count, width); ++n) place(query(0), q + n), place(key(0), k + n);
  }
  void place(const float* from, float* to) const {
    for (long c = 0; c < depth; ++c) to[c * links_at_a_time] = from[c];
  }
  channel_links channels() const { return {q, k, links_at_a_time, links, depth}; }
  void clear_gradients() const {
    for (long n = 0; n < 2 * links_at_a_time * depth; ++n) dq[n] = 0;
  }
  /// to[c] += the gradients of all links.
  void add_up(const float* gradient, float* to) const {
    for (long c = 0; c < depth; ++c)
      for (long n = 0; n < links; ++n) to[c] += gradient[c * links_at_a_time + n];
  }

  long depth, links = 0;
  float *const q, *const k, *const dq, *const dk;  // [D][links_at_a_time]
  float* const ignored;                            // [D]
};

class graph_row {
 public:
  graph_row(const graph_work& work, long most_keys)
      : w(work),
        kind(w.rule->similarity_form()),
        pitch(rounded_up(most_keys, tile_columns)),
        raw(w.scratch),
        scores(raw + pitch),
        weight(scores + pitch),
        slope(weight + pitch),
        places(reinterpret_cast<std::int32_t*>(slope + pitch)),
        truth(places + pitch),
        number(reinterpret_cast<long*>(truth + pitch)),
        pairs(slope + 5 * pitch, w.depth) {
    level.rule = w.rule, level.sink = w.sink, level.unit_reach = w.unit_reach, level.least_reach = w.least_reach;
    level.cuts = &cut;
  }
  static constexpr long floats(long most_keys, long depth) {
    return 8 * rounded_up(most_keys, tile_columns) + 16 + packed_links::floats(depth);
  }

  /// The links of query i that the mask keeps.  False: none.
  bool gather(long i) {
    query = i, count = 0;
    const long begin = w.links->first_of_query[i], end = w.links->first_of_query[i + 1];
    if (begin == end) return false;
    for (long n = begin; n < end; ++n) take(w.links->key[n], n);
    pad();
    if (!w.rule->masks()) return true;
    w.rule->keep(row_tile(), truth, pitch);
    const long all = count;
    count = 0;
    for (long n = 0; n < all; ++n)
      if (truth[n]) take(places[n], number[n]);
    if (count > 0) pad();
    return count > 0;
  }
  /// Weights of the links gathered.  Their sum of values is to be multiplied by `factor`.
  row_result weigh() {
    similarities();
    for (long n = 0; n < padded(); ++n) scores[n] = raw[n];
    if (w.rule->scores() && !w.rule->row().blind) w.rule->score(row_tile(), scores, pitch);
    for (long n = count; n < padded(); ++n) scores[n] = -infinity;
    for (long n = 0; n < padded(); ++n) weight[n] = scores[n];
    kept_block whole{weight, 0, count, nullptr, true, {}, {}};
    whole.to[0] = int(padded() / tile_columns);
    return whole_row(level, &whole, 1, 0, 0).weigh();
  }

 protected:
  const float* key(long n) const { return w.k + places[n] * w.k_stride; }
  const float* value(long n) const { return w.v + places[n] * w.v_stride; }
  const float* query_row() const { return w.q + query * w.q_stride; }
  long padded() const { return rounded_up(count, tile_columns); }
  tile row_tile() const {
    tile t = w.where;
    t.row = query, t.rows = 1, t.key = 0, t.keys = count, t.places = places;
    return t;
  }

  const graph_work& w;
  const form kind;
  const long pitch;
  float *const raw, *const scores, *const weight, *const slope;  // [pitch]
  std::int32_t *const places, *const truth;
  long* const number;  // of the edge
  packed_links pairs;
  forward_work level{};  // what whole_row asks about
  row_cut cut{};
  long query = 0, count = 0;

 private:
  void take(std::int32_t place, long edge) { places[count] = place, number[count++] = edge; }
  void pad() {  // lanes past the last link look somewhere that exists
    for (long n = count; n < padded(); ++n) places[n] = places[count - 1];
  }
  void similarities() {
    if (w.rule->row().blind) {
      for (long n = 0; n < padded(); ++n) raw[n] = 0;
    } else if (kind == form::pairwise) {
      for (long n = 0; n < count; n += links_at_a_time) {
        const long links = count - n < links_at_a_time ? count - n : links_at_a_time;
        pairs.pack(
            links, [&](long) { return query_row(); }, [&](long m) { return key(n + m); });
        w.rule->similarities(pairs.channels(), w.scale, raw + n);
      }
    } else {
      const auto row = [&](long n) { return key(n); };
      if (kind == form::dot)
        pair_sums(query_row(), count, row, w.depth, product_term, w.scale, raw);
      else
        pair_sums(query_row(), count, row, w.depth, square_term, -w.scale, raw);
    }
  }
};

}  // namespace
}  // namespace qkv::QKV_INSTRUCTION_SET
