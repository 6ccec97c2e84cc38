// The graph kernel.  Forward, for every query:  gather its links, score, weigh the whole row, sum the values.
//
// Backward, in two walks over the same links, so that every sum is one thread's and has one order:
//   along queries   scores and weights again; ds, dr; dq_i = sum over its links of dr * the similarity's derivative;
//                   what weighs a link and its dr are written down, two numbers a link
//   along keys      dv_j = sum over its links of weight * do_i;  dk_j = sum of dr * the similarity's derivative
// The formulas are those of oracle_backward.cpp.
#include "qkv/attention/graph_row.h"
#include "qkv/kernels/flush_denormals.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

class graph_query : graph_row {
 public:
  explicit graph_query(const graph_work& work)
      : graph_row(work, work.links->most_keys),
        normal(w.rule->sum_to_one()),
        softmax(normal == normalised::yes && w.rule->closed_form() == closed::exponential),
        flat(is_flat(*w.rule)),
        dropping(w.rule->dropout()) {}

  void attend(long i) {
    float *const out = w.out + i * w.out_stride, *const lse = w.lse + i * w.lse_stride;
    row_result r{0, -infinity};
    if (gather(i)) {
      r = weigh();
      if (dropping.rate > 0) drop(i);
    }
    weighted_sum(
        count, [&](long n) { return weight[n]; },
        [&](long n, long c, auto part) { return load_part(value(n) + c, part); }, w.columns, r.factor, false, out);
    *lse = r.level;
  }

  void backward(long i) {
    for (long n = w.links->first_of_query[i]; n < w.links->first_of_query[i + 1]; ++n) w.weight[n] = w.slope[n] = 0;
    if (!gather(i)) return query_gradient();
    find_slopes(weigh());
    pair_sums(
        w.dout + i * w.dout_stride, count, [&](long n) { return value(n); }, w.columns, product_term, 1.f, scores);
    const std::uint32_t of_row = dropping.of_row(w.where.batch, w.where.head, i);
    for (long n = 0; n < count; ++n) {
      const bool through = !is_dropped(n, of_row);
      const float by = float(dropping.factor());
      w.weight[number[n]] = through ? weight[n] * by : 0;
      scores[n] = through ? scores[n] * by : 0;  // dw
    }
    give_way();
    if (!flat && w.rule->scores()) w.rule->score_backward(row_tile(), raw, slope, pitch, w.learned);
    for (long n = 0; n < count; ++n) w.slope[number[n]] = slope[n];
    query_gradient();
  }

 private:
  bool is_dropped(long n, std::uint32_t of_row) const {
    return dropping.rate > 0 && attention_dropout::draw(std::uint32_t(places[n]), of_row) < dropping.limit();
  }
  void drop(long i) {
    const std::uint32_t of_row = dropping.of_row(w.where.batch, w.where.head, i);
    for (long n = 0; n < count; ++n) weight[n] = is_dropped(n, of_row) ? 0 : weight[n] * float(dropping.factor());
  }

  // Weights that weigh() left in `weight`, multiplied by their factor; their derivatives along scores in `slope`.
  void find_slopes(const row_result& r) {
    of_sink = 0;
    if (softmax) {
      for (long n = 0; n < padded(); ++n) slope[n] = weight[n];
      if (w.sink && r.level != -infinity) of_sink = __builtin_expf(*w.sink - r.level);
      return;
    }
    if (w.rule->row().keep > 0)
      for (long n = 0; n < padded(); n += width)
        store(scores + n, select(within(cut, load(scores + n), n), load(scores + n), reals(-infinity)));
    const bool shifts = normal == normalised::yes;
    const float at = shifts ? r.level : 0, reach = shifts ? w.unit_reach : 0;
    w.rule->activate(scores, padded(), at, reach, weight, slope);
    for (long n = 0; n < padded(); ++n) weight[n] *= r.factor, slope[n] *= r.factor;
    if (!w.sink || r.level == -infinity) return;
    alignas(64) float sink[width], its_weight[width], its_slope[width];
    for (float& x : sink) x = -infinity;
    sink[0] = *w.sink;
    w.rule->activate(sink, width, at, reach, its_weight, its_slope);
    of_sink = its_slope[0];
  }
  // slope becomes ds, from dw in `scores`: each weight's rise is paid for by the row.
  void give_way() {
    const bool divided = normal == normalised::by_division;
    double dw_sum = 0, mass = of_sink;
    for (long n = 0; n < count && normal != normalised::no; ++n)
      if (const double part = divided ? weight[n] : slope[n]; part != 0) dw_sum += part * scores[n], mass += part;
    const double mean = divided || mass == 0 ? dw_sum : dw_sum / mass;
    if (w.sink) w.learned.back()[w.where.head] -= float(of_sink * mean);
    for (long n = 0; n < padded(); ++n)
      slope[n] = n >= count || flat || slope[n] == 0
                     ? 0
                     : slope[n] * float(scores[n] - (divided && weight[n] < 0 ? -mean : mean));
  }
  void query_gradient() {
    float* const dq = w.dq + query * w.dq_stride;
    const auto along = [&](long n) { return slope[n]; };
    if (kind == form::dot) {
      weighted_sum(
          count, along, [&](long n, long c, auto part) { return load_part(key(n) + c, part); }, w.depth, w.scale, false,
          dq);
    } else if (kind == form::distance) {
      weighted_sum(
          count, along,
          [&](long n, long c, auto part) { return load_part(key(n) + c, part) - load_part(query_row() + c, part); },
          w.depth, 2 * w.scale, false, dq);
    } else {
      for (long c = 0; c < w.depth; ++c) dq[c] = 0;
      for (long n = 0; n < count && !flat; n += links_at_a_time) {
        const long links = count - n < links_at_a_time ? count - n : links_at_a_time;
        pairs.pack(
            links, [&](long) { return query_row(); }, [&](long m) { return key(n + m); });
        pairs.clear_gradients();
        w.rule->similarities_backward(pairs.channels(), w.scale, slope + n, pairs.dq, pairs.dk, w.learned);
        pairs.add_up(pairs.dq, dq);
      }
    }
  }

  const normalised normal;
  const bool softmax, flat;
  const attention_dropout dropping;
  float of_sink = 0;  // the sink's slope
};

class graph_key {
 public:
  explicit graph_key(const graph_work& work) : w(work), kind(w.rule->similarity_form()), pairs(w.scratch, w.depth) {}

  void backward(long j) {
    const graph::lists& g = *w.links;
    const long begin = g.first_of_key[j], count = g.first_of_key[j + 1] - begin;
    const auto link = [&](long n) { return g.number[begin + n]; };
    const auto query = [&](long n) { return w.q + g.query[begin + n] * w.q_stride; };
    const auto along = [&](long n) { return w.slope[link(n)]; };
    const float* const key = w.k + j * w.k_stride;
    float* const dk = w.dk + j * w.dk_stride;
    weighted_sum(
        count, [&](long n) { return w.weight[link(n)]; },
        [&](long n, long c, auto part) { return load_part(w.dout + g.query[begin + n] * w.dout_stride + c, part); },
        w.columns, 1.f, w.add, w.dv + j * w.dv_stride);
    if (kind == form::dot) {
      weighted_sum(
          count, along, [&](long n, long c, auto part) { return load_part(query(n) + c, part); }, w.depth, w.scale,
          w.add, dk);
    } else if (kind == form::distance) {
      weighted_sum(
          count, along,
          [&](long n, long c, auto part) { return load_part(query(n) + c, part) - load_part(key + c, part); }, w.depth,
          2 * w.scale, w.add, dk);
    } else {
      for (long c = 0; c < w.depth && !w.add; ++c) dk[c] = 0;
      alignas(64) float slopes[links_at_a_time];
      for (long n = 0; n < count && !w.rule->row().blind; n += links_at_a_time) {
        const long links = count - n < links_at_a_time ? count - n : links_at_a_time;
        for (long m = 0; m < links_at_a_time; ++m) slopes[m] = m < links ? along(n + m) : 0;
        pairs.pack(
            links, [&](long m) { return query(n + m); }, [&](long) { return key; });
        pairs.clear_gradients();
        // What the similarity learns has been summed along queries.
        float* const ignored[] = {pairs.ignored};
        w.rule->similarities_backward(pairs.channels(), w.scale, slopes, pairs.dq, pairs.dk, ignored);
        pairs.add_up(pairs.dk, dk);
      }
    }
  }

 private:
  const graph_work& w;
  const form kind;
  packed_links pairs;
};

long scratch_size(long most_keys, long depth) { return graph_row::floats(most_keys, depth); }

void attend(const graph_work& w, long from, long to) {
  const flush_denormals flush;
  graph_query row(w);
  for (long i = from; i < to; ++i) row.attend(i);
}
void queries_backward(const graph_work& w, long from, long to) {
  const flush_denormals flush;
  graph_query row(w);
  for (long i = from; i < to; ++i) row.backward(i);
}
void keys_backward(const graph_work& w, long from, long to) {
  const flush_denormals flush;
  graph_key row(w);
  for (long j = from; j < to; ++j) row.backward(j);
}

}  // namespace

const graph_kernel_table graph_kernels = {scratch_size, attend, queries_backward, keys_backward};

}  // namespace qkv::QKV_INSTRUCTION_SET
