// The two passes over the links of graphs: blocks of queries of a head, and on the way back blocks of keys.
#include <algorithm>

#include "qkv/attention/forward_kernel.h"
#include "qkv/attention/graph_attention.h"
#include "qkv/attention/graph_kernel.h"
#include "qkv/attention/prepare.h"
#include "qkv/attention/threshold.h"
#include "qkv/base/threads.h"

namespace qkv {
namespace {

constexpr long rows_at_a_time = 32;

void check_graphs(const char* operation, const problem& x, const graphs& links) {
  const auto text = [](long n) { return std::to_string(n); };
  std::vector<sequence> all;
  list_sequences(x, all);
  if (links.each() && links.all().size() != all.size())
    refuse(operation, "one graph, or one for each of " + text(long(all.size())) + " sequences",
           text(long(links.all().size())) + " graphs");
  for (const sequence& s : all)
    if (const graph& g = links.of(s.number); g.queries() != s.queries || g.keys() != s.keys)
      refuse(operation,
             "a graph of " + text(s.queries) + " queries and " + text(s.keys) + " keys for sequence " + text(s.number),
             "one of " + text(g.queries()) + " queries and " + text(g.keys()) + " keys");
}

// The checks of one call.  Links that are looked at are the first and the last edge of the first and the last query
// that has any, and of the first and the last such key.
void check_call(const char* operation, const formula& f, const problem& x, const graphs& links) {
  const auto probe = [&](const sequence& s, function_ref<void(long, long)> see) {
    if (links.each() && s.number >= long(links.all().size())) return;
    const graph& all = links.of(s.number);
    const graph::lists& g = all.sorted();
    const long edges = all.queries() == s.queries && all.keys() == s.keys ? all.edges() : 0;
    const auto ends = [&](const std::vector<long>& first, auto at) {
      for (const long n : {0l, edges - 1}) {
        const long owner = long(std::ranges::upper_bound(first, n) - first.begin()) - 1;
        at(owner, first[owner]), at(owner, first[owner + 1] - 1);
      }
    };
    if (edges == 0) return;
    ends(g.first_of_query, [&](long query, long n) { see(query, g.key[n]); });
    ends(g.first_of_key, [&](long key, long n) { see(g.query[n], key); });
  };
  const links_to_probe edges_alone = probe;
  check(operation, f, x, &edges_alone);
  check_fused(operation, f);
  check_graphs(operation, x, links);
}

// Places that no sequence covers.
template <int Rank>
void clear(const problem& x, view<float, Rank> to, float with) {
  if (x.ragged.how == sequences::whole) return;
  const long width = Rank == 4 ? to.sizes[Rank - 1] : 1;
  for (long b = 0; b < to.sizes[0]; ++b)
    for (long t = 0; t < to.sizes[1]; ++t)
      for (long h = 0; h < to.sizes[2]; ++h)
        std::fill_n(to.data + b * to.strides[0] + t * to.strides[1] + h * to.strides[2], width, with);
}

struct gradient_views {
  view<const float, 4> dout;
  view<float, 4> dq, dk, dv;
};

class graph_pass {
 public:
  graph_pass(const formula& f, const problem& x, const graphs& links, const prepared_problem& prepared,
             workspace::state& w)
      : formula_(f), x_(x), links_(links), prepared_(prepared), w_(w), kernel_(graph_kernels_now()) {
    list_sequences(x, sequences_);
    long most_keys = 0;
    for (const sequence& s : sequences_) {
      const auto blocks = [](long n) { return (n + rows_at_a_time - 1) / rows_at_a_time; };
      for (long n = 0; n < blocks(s.queries); ++n) queries_.push_back({s.number, n});
      for (long n = 0; n < blocks(s.keys); ++n) keys_.push_back({s.number, n});
      most_keys = std::max(most_keys, links.of(s.number).most_keys());
    }
    if (f.closed_form() != closed::exponential && f.sum_to_one() == normalised::yes)
      unit_reach_ = float(unit_reach(f)), least_reach_ = float(reach(f, 1.0 / double(x.k.sizes[1] + 1)));
    scratch_floats_ = (kernel_.scratch_size(most_keys, x.q.sizes[3]) + 15) / 16 * 16;
    scratch_ = w_.scratch.get<float>(scratch_floats_ * thread_count());
  }

  void forward(view<float, 4> out, view<float, 3> lse) const {
    clear(x_, out, 0), clear(x_, lse, -std::numeric_limits<float>::infinity());
    const long heads = x_.q.sizes[2], blocks = long(queries_.size());
    parallel_for(heads * blocks, [&](long n, int thread) {
      const sequence& s = sequences_[queries_[n / heads].sequence];
      graph_work w = work(s, n % heads, thread);
      w.out = &out(s.row, s.q0, n % heads, 0), w.out_stride = out.strides[1];
      w.lse = &lse(s.row, s.q0, n % heads), w.lse_stride = lse.strides[1];
      run(kernel_.attend, w, queries_[n / heads], s.queries);
    });
  }

  // Head by head: what an edge weighs is kept for one of them at a time.
  void backward(const gradient_views& g, std::span<float* const> learned) {
    clear(x_, g.dq, 0), clear(x_, g.dk, 0), clear(x_, g.dv, 0);
    first_edge_.assign(1, 0);
    for (const sequence& s : sequences_) first_edge_.push_back(first_edge_.back() + links_.of(s.number).edges());
    weights_ = w_.packed.get<float>(2 * first_edge_.back());
    list_pieces();
    for (long h = 0; h < x_.q.sizes[2]; ++h) {
      parallel_for(pieces_, [&](long piece, int thread) {
        const long blocks = long(queries_.size());
        float* own[most_learned];
        for (std::size_t p = 0; p < learned.size(); ++p) own[p] = gradients_ + piece * learned_floats_ + first_[p];
        for (long n = piece * blocks / pieces_; n < (piece + 1) * blocks / pieces_; ++n) {
          const sequence& s = sequences_[queries_[n].sequence];
          graph_work w = backward_work(s, g, h, thread);
          w.learned = {own, learned.size()};
          run(kernel_.queries_backward, w, queries_[n], s.queries);
        }
      });
      parallel_for(long(keys_.size()), [&](long n, int thread) {
        const sequence& s = sequences_[keys_[n].sequence];
        run(kernel_.keys_backward, backward_work(s, g, h, thread), keys_[n], s.keys);
      });
    }
    for (long piece = 0; piece < pieces_; ++piece)
      for (std::size_t p = 0; p < learned.size(); ++p)
        for (long n = first_[p]; n < first_[p + 1]; ++n)
          learned[p][n - first_[p]] += gradients_[piece * learned_floats_ + n];
  }

 private:
  struct block {
    long sequence, number;
  };
  static void run(void (*kernel)(const graph_work&, long, long), const graph_work& w, const block& b, long rows) {
    kernel(w, b.number * rows_at_a_time, std::min((b.number + 1) * rows_at_a_time, rows));
  }

  // Pieces of query blocks; each has its own gradients of what is learned, and their number depends on sizes only.
  void list_pieces() {
    first_.assign(1, 0);
    for (const parameter& p : formula_.parameters()) first_.push_back(first_.back() + p.values.size());
    learned_floats_ = first_.back();
    constexpr long most_pieces = 64, most_floats = 1 << 22;
    pieces_ = long(queries_.size());
    if (learned_floats_ > 0) pieces_ = std::min({pieces_, most_pieces, std::max(1L, most_floats / learned_floats_)});
    gradients_ = w_.gradients.get<float>(pieces_ * learned_floats_);
    std::fill_n(gradients_, pieces_ * learned_floats_, 0.f);
  }

  graph_work work(const sequence& s, long head, int thread) const {
    const long g = head / (x_.q.sizes[2] / x_.k.sizes[2]);
    const bool any_queries = s.queries > 0, any_keys = s.keys > 0;
    graph_work w{};
    w.rule = &formula_;
    w.links = &links_.of(s.number).sorted();
    w.where = {s.number, head, 0, 0, 0, 0, s.offset, s.queries, s.keys};
    w.depth = x_.q.sizes[3], w.columns = x_.v.sizes[3];
    w.scale = float(formula_.scale(w.depth));
    w.sink = formula_.sink() ? formula_.sink()->data<float>() + head : nullptr;
    w.unit_reach = unit_reach_, w.least_reach = least_reach_;
    w.q = any_queries ? &prepared_.q(s.row, s.q0, head, 0) : nullptr, w.q_stride = prepared_.q.strides[1];
    w.k = any_keys ? &prepared_.k(s.row, s.k0, g, 0) : nullptr, w.k_stride = prepared_.k.strides[1];
    w.v = any_keys ? &x_.v(s.row, s.k0, g, 0) : nullptr, w.v_stride = x_.v.strides[1];
    w.scratch = scratch_ + thread * scratch_floats_;
    return w;
  }
  graph_work backward_work(const sequence& s, const gradient_views& g, long head, int thread) const {
    graph_work w = work(s, head, thread);
    const long group = x_.q.sizes[2] / x_.k.sizes[2], key_head = head / group;
    if (w.q) {
      w.dout = &g.dout(s.row, s.q0, head, 0), w.dout_stride = g.dout.strides[1];
      w.dq = &g.dq(s.row, s.q0, head, 0), w.dq_stride = g.dq.strides[1];
    }
    if (w.k) {
      w.dk = &g.dk(s.row, s.k0, key_head, 0), w.dk_stride = g.dk.strides[1];
      w.dv = &g.dv(s.row, s.k0, key_head, 0), w.dv_stride = g.dv.strides[1];
    }
    w.add = head % group != 0;
    w.weight = weights_ + first_edge_[s.number];
    w.slope = w.weight + first_edge_.back();
    return w;
  }

  const formula& formula_;
  const problem& x_;
  const graphs& links_;
  const prepared_problem& prepared_;
  workspace::state& w_;
  const graph_kernel_table& kernel_;
  std::vector<sequence> sequences_;
  std::vector<block> queries_, keys_;
  std::vector<long> first_edge_;  // of every sequence
  std::vector<long> first_;       // number of every learned tensor
  long pieces_ = 0, learned_floats_ = 0, scratch_floats_ = 0;
  float unit_reach_ = 0, least_reach_ = 0;
  float *weights_ = nullptr, *gradients_ = nullptr, *scratch_ = nullptr;
};

// A distance is taken link by link, from what was given.
prepared_problem prepare_for_links(const formula& f, const problem& x, workspace::state& w) {
  return f.similarity_form() == form::distance ? prepared_problem{x.q, x.k} : prepare(f, x, w);
}

}  // namespace

void graph_attention_into(const formula& f, const problem& x, const graphs& links, view<float, 4> out,
                          view<float, 3> lse, workspace& w) {
  check_call("graph attention", f, x, links);
  const auto &q = x.q.sizes, &v = x.v.sizes;
  check_given("graph attention", "out", out, {q[0], q[1], q[2], v[3]});
  check_given("graph attention", "lse", lse, {q[0], q[1], q[2]});
  const prepared_problem prepared = prepare_for_links(f, x, w.inside());
  graph_pass(f, x, links, prepared, w.inside()).forward(out, lse);
}

void graph_attention_backward_into(const formula& f, const problem& x, const graphs& links, view<const float, 4> dout,
                                   view<float, 4> dq, view<float, 4> dk, view<float, 4> dv,
                                   std::span<float* const> learned, workspace& w) {
  check_call("graph attention backward", f, x, links);
  const auto &q = x.q.sizes, &v = x.v.sizes;
  check_given("graph attention backward", "dout", dout, {q[0], q[1], q[2], v[3]});
  check_given("graph attention backward", "dq", dq, q);
  check_given("graph attention backward", "dk", dk, x.k.sizes);
  check_given("graph attention backward", "dv", dv, v);
  if (learned.size() != f.parameters().size())
    refuse("graph attention backward", std::to_string(f.parameters().size()) + " gradients of learned parameters",
           std::to_string(learned.size()));
  const prepared_problem prepared = prepare_for_links(f, x, w.inside());
  graph_pass(f, x, links, prepared, w.inside()).backward({dout, dq, dk, dv}, learned);
  prepare_backward(f, x, prepared, dq, dk, learned, w.inside());
}

}  // namespace qkv
