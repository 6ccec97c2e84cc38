// Second-order gradients: checks, everything packed once, query walks, key walks (second_order_kernel.h).
#include "qkv/attention/second_order.h"

#include "qkv/attention/second_order_kernel.h"
#include "qkv/attention/workspace.h"
#include "qkv/base/threads.h"

namespace qkv {
namespace {

constexpr const char* operation = "attention second order";

// Everything but softmax of scaled dot products is refused by name.
void check_differentiated_twice(const formula& f) {
  const auto refuse_part = [](const std::string& part) {
    throw unsupported_error(std::string(operation) + ": " + part +
                            " not fused; oracle::second_order differentiates every formula twice");
  };
  const bool plain_softmax = f.sum_to_one() == normalised::yes && f.closed_form() == closed::exponential &&
                             f.row().keep == 0 && !f.row().blind && !f.sink();
  if (f.similarity_form() != form::dot || f.prepare() != vectors::as_given)
    refuse_part(std::string("the similarity `") + f.names().similarity + "` is");
  if (f.scores()) refuse_part("scores (a cap, a bias, a lambda) are");
  if (!plain_softmax) refuse_part(std::string("the weighting `") + f.names().weighting + "` is");
  if (f.dropout().rate > 0) refuse_part("dropout is");
}

void check_memory(const problem& x, view<const float, 4> out, view<const float, 3> lse, view<const float, 4> dout,
                  const cotangent_views& given, const second_gradient_views& to) {
  const auto &q = x.q.sizes, &k = x.k.sizes, &v = x.v.sizes;
  const std::array<long, 4> results{q[0], q[1], q[2], v[3]};
  check_given(operation, "out", out, results);
  check_given(operation, "lse", lse, {q[0], q[1], q[2]});
  check_given(operation, "dout", dout, results);
  if (given.dq.data) check_given(operation, "the cotangent of dq", given.dq, q);
  if (given.dk.data) check_given(operation, "the cotangent of dk", given.dk, k);
  if (given.dv.data) check_given(operation, "the cotangent of dv", given.dv, v);
  check_given(operation, "dq", to.dq, q);
  check_given(operation, "dk", to.dk, k);
  check_given(operation, "dv", to.dv, v);
  check_given(operation, "ddout", to.ddout, results);
  check_apart(operation, {{"dq", to.dq}, {"dk", to.dk}, {"dv", to.dv}, {"ddout", to.ddout}},
              {{"q", x.q},
               {"k", x.k},
               {"v", x.v},
               {"out", out},
               {"lse", lse},
               {"dout", dout},
               {"the cotangent of dq", given.dq},
               {"the cotangent of dk", given.dk},
               {"the cotangent of dv", given.dv}});
}

class second_order_pass {
 public:
  second_order_pass(const formula& f, const problem& x, view<const float, 4> out, view<const float, 3> lse,
                    view<const float, 4> dout, const cotangent_views& given, const second_gradient_views& to,
                    workspace::state& w)
      : formula_(f), x_(x), out_(out), lse_(lse), dout_(dout), given_(given), to_(to), w_(w),
        kernel_(second_order_kernels_now()), by_queries_(w.forward_plan), by_keys_(w.backward_plan),
        depth_(x.q.sizes[3]), columns_(x.v.sizes[3]), heads_(x.q.sizes[2]), key_heads_(x.k.sizes[2]),
        group_(heads_ / key_heads_), scale_(float(f.scale(depth_))) {
    make_plan(f, x, cut_along::queries, {second_order_side, second_order_side}, by_queries_);
    make_plan(f, x, cut_along::keys, {second_order_side, second_order_side}, by_keys_);
    w_.visited = count_tiles(by_keys_);
  }

  void run() {
    if (x_.ragged.how != sequences::whole) clear(to_.dq), clear(to_.dk), clear(to_.dv), clear(to_.ddout);
    list_work();
    give_memory();
    const long query_blocks = long(w_.items.size()), blocks_of_keys = long(w_.packing.size());
    parallel_for(query_blocks, [&](long n, int) { pack_queries(w_.items[n]); });
    parallel_for(blocks_of_keys, [&](long n, int) { pack_keys(w_.packing[n]); });
    parallel_for(query_blocks, [&](long n, int thread) { walk_keys(w_.items[n], thread); });
    parallel_for(blocks_of_keys, [&](long n, int thread) { walk_queries(w_.packing[n], thread); });
  }

 private:
  using item = workspace::state::item;

  // Places that no sequence covers.
  static void clear(const view<float, 4>& d) {
    for (long b = 0; b < d.sizes[0]; ++b)
      for (long t = 0; t < d.sizes[1]; ++t)
        for (long h = 0; h < d.sizes[2]; ++h) std::fill_n(&d(b, t, h, 0), d.sizes[3], 0.f);
  }

  // Blocks of queries, and of keys, in the order in which they are packed.
  void list_work() {
    w_.items.clear(), w_.packing.clear();
    w_.first_block.assign(1, 0), w_.first_key_block.assign(1, 0);
    for (long n = 0; n < long(by_queries_.sequences.size()); ++n) {
      const sequence& s = by_queries_.sequences[n];
      const long query_blocks = by_queries_.query_blocks(s), key_blocks = by_queries_.key_blocks(s);
      for (long h = 0; h < heads_; ++h)
        for (long b = 0; b < query_blocks; ++b) w_.items.push_back({n, h, b});
      for (long g = 0; g < key_heads_; ++g)
        for (long b = 0; b < key_blocks; ++b) w_.packing.push_back({n, g, b});
      w_.first_block.push_back(long(w_.items.size()));
      w_.first_key_block.push_back(long(w_.packing.size()));
    }
  }
  void give_memory() {
    const long query_blocks = long(w_.items.size()), key_blocks = long(w_.packing.size());
    query_floats_ = kernel_.query_floats(depth_, columns_), key_floats_ = kernel_.key_floats(depth_, columns_);
    queries_.numbers = w_.packed.get<float>(query_blocks * query_floats_ + key_blocks * key_floats_);
    queries_.finite = w_.finite.get<unsigned char>(query_blocks + key_blocks);
    keys_ = {queries_.numbers + query_blocks * query_floats_, queries_.finite + query_blocks};
    scratch_floats_ = (kernel_.scratch_floats(depth_, columns_) + 15) / 16 * 16;
    scratch_ = w_.scratch.get<float>(scratch_floats_ * thread_count());
    heads_of_thread_ = w_.heads.get<second_order_head>(group_ * thread_count());
  }
  packed_blocks queries(const item& i) const {
    const sequence& s = by_queries_.sequences[i.sequence];
    const long n = w_.first_block[i.sequence] + i.head * by_queries_.query_blocks(s) + i.block;
    return {queries_.numbers + n * query_floats_, queries_.finite + n};
  }
  packed_blocks keys(const item& i) const {
    const sequence& s = by_queries_.sequences[i.sequence];
    const long n = w_.first_key_block[i.sequence] + i.head * by_queries_.key_blocks(s) + i.block;
    return {keys_.numbers + n * key_floats_, keys_.finite + n};
  }

  static rows_to_pack rows_at(const view<const float, 4>& x, long b, long t, long h) {
    return x.data ? rows_to_pack{&x(b, t, h, 0), x.strides[1]} : rows_to_pack{};
  }
  void pack_queries(const item& i) const {
    const sequence& s = by_queries_.sequences[i.sequence];
    const long first = i.block * second_order_side, t = s.q0 + first;
    kernel_.pack_queries({.depth = depth_,
                          .columns = columns_,
                          .scale = scale_,
                          .rows = std::min(second_order_side, s.queries - first),
                          .q = rows_at(x_.q, s.row, t, i.head),
                          .a = rows_at(given_.dq, s.row, t, i.head),
                          .out = rows_at(out_, s.row, t, i.head),
                          .dout = rows_at(dout_, s.row, t, i.head),
                          .lse = {&lse_(s.row, t, i.head), lse_.strides[1]},
                          .to = queries(i)});
  }
  void pack_keys(const item& i) const {
    const sequence& s = by_keys_.sequences[i.sequence];
    const long first = i.block * second_order_side, t = s.k0 + first;
    kernel_.pack_keys({.depth = depth_,
                       .columns = columns_,
                       .rows = std::min(second_order_side, s.keys - first),
                       .k = rows_at(x_.k, s.row, t, i.head),
                       .b = rows_at(given_.dk, s.row, t, i.head),
                       .v = rows_at(x_.v, s.row, t, i.head),
                       .g = rows_at(given_.dv, s.row, t, i.head),
                       .to = keys(i)});
  }

  second_order_work work_of(const item& i, long key_head, const second_order_head* heads, long count, long row_of_block,
                            const view<float, 4>& of_depth, const view<float, 4>& of_columns, int thread) const {
    const sequence& s = by_keys_.sequences[i.sequence];
    return {.rule = &formula_,
            .depth = depth_,
            .columns = columns_,
            .scale = scale_,
            .block = i.block,
            .heads = heads,
            .head_count = count,
            .keys = keys({i.sequence, key_head, 0}),
            .where = {s.number, 0, 0, 0, 0, 0, s.offset, s.queries, s.keys},
            .of_depth = &of_depth(s.row, row_of_block, i.head, 0),
            .of_depth_stride = of_depth.strides[1],
            .of_columns = &of_columns(s.row, row_of_block, i.head, 0),
            .of_columns_stride = of_columns.strides[1],
            .scratch = scratch_ + thread * scratch_floats_};
  }
  void walk_keys(const item& i, int thread) const {
    const second_order_head head{queries({i.sequence, i.head, 0}), &by_queries_.live(i.sequence, i.head), i.head};
    const long row = by_queries_.sequences[i.sequence].q0 + i.block * second_order_side;
    kernel_.query_walk(work_of(i, i.head / group_, &head, 1, row, to_.dq, to_.ddout, thread));
  }
  void walk_queries(const item& i, int thread) const {
    second_order_head* const heads = heads_of_thread_ + thread * group_;
    for (long n = 0; n < group_; ++n) {
      const long head = i.head * group_ + n;
      heads[n] = {queries({i.sequence, head, 0}), &by_keys_.live(i.sequence, head), head};
    }
    const long row = by_keys_.sequences[i.sequence].k0 + i.block * second_order_side;
    kernel_.key_walk(work_of(i, i.head, heads, group_, row, to_.dk, to_.dv, thread));
  }

  const formula& formula_;
  const problem& x_;
  view<const float, 4> out_;
  view<const float, 3> lse_;
  view<const float, 4> dout_;
  const cotangent_views& given_;
  const second_gradient_views& to_;
  workspace::state& w_;
  const second_order_kernel_table& kernel_;
  attention_plan &by_queries_, &by_keys_;
  const long depth_, columns_, heads_, key_heads_, group_;
  const float scale_;
  long query_floats_ = 0, key_floats_ = 0, scratch_floats_ = 0;
  packed_blocks queries_{}, keys_{};
  second_order_head* heads_of_thread_ = nullptr;
  float* scratch_ = nullptr;
};

}  // namespace

void attention_second_order_into(const formula& f, const problem& x, view<const float, 4> out, view<const float, 3> lse,
                                 view<const float, 4> dout, const cotangent_views& given,
                                 const second_gradient_views& to, workspace& w) {
  check(operation, f, x);
  check_differentiated_twice(f);
  check_memory(x, out, lse, dout, given, to);
  second_order_pass(f, x, out, lse, dout, given, to, w.inside()).run();
}

}  // namespace qkv
