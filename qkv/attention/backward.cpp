// The backward pass: pack queries, then key blocks in partitions fixed by the shape, then the partitions' dQ in order.
#include <utility>

#include "qkv/attention/backward_kernel.h"
#include "qkv/attention/fill.h"
#include "qkv/attention/learned_gradients.h"
#include "qkv/attention/passes.h"
#include "qkv/attention/threshold.h"
#include "qkv/base/threads.h"

namespace qkv {
namespace {

// Enough pieces of work for any number of threads a desk has, fixed by the shape alone.
constexpr long pieces = 16;

class backward_pass {
 public:
  backward_pass(const formula& f, const problem& x, const prepared_problem& prepared, view<const float, 4> out,
                view<const float, 3> lse, view<const float, 4> dout, view<float, 4> dq, view<float, 4> dk,
                view<float, 4> dv, std::span<float* const> learned, workspace::state& w)
      : formula_(f), x_(x), prepared_(prepared), out_(out), lse_(lse), dout_(dout), dq_(dq), dk_(dk), dv_(dv),
        learned_(f, learned), w_(w), kernel_(backward_kernels_now()), plan_(w.backward_plan) {
    find_cuts_of_rows();
    make_plan(f, x, cut_along::keys, {backward_side, backward_side}, plan_);
    w_.visited = count_tiles(plan_);
    heads_ = x.q.sizes[2], key_heads_ = x.k.sizes[2], group_ = heads_ / std::max(1L, key_heads_);
    depth_ = x.q.sizes[3], columns_ = x.v.sizes[3];
    const auto padded = [&](long n) { return (n + kernel_.tile_columns - 1) / kernel_.tile_columns * kernel_.tile_columns; };
    padded_depth_ = padded(depth_), padded_columns_ = padded(columns_);
    partitions_ = count_partitions();
    means_ = needs_means(f);
    unit_reach_ = means_ ? float(unit_reach(f)) : 0;
  }

  void run() {
    for (const auto& d : {dq_, dk_, dv_})
      if (x_.ragged.how != sequences::whole || plan_.sequences.empty()) fill(d, 0);
    list_work();
    give_memory();
    chain_pieces();
    const auto each_query_block = [&](const auto& f) {
      parallel_for(long(w_.packing.size()), [&](long n, int) { f(w_.packing[n], 0); });
    };
    const auto each_piece = [&](const auto& f) {
      parallel_for(chain_count_, [&](long n, int thread) {
        for (std::size_t i = n; i < w_.items.size(); i += chain_count_) f(w_.items[i], thread);
      });
    };
    if (alone_) {
      each_piece([&](const auto& i, int thread) { work_alone(i, thread); });
    } else {
      each_query_block([&](const auto& i, int thread) { pack(i, thread); });
      if (means_) each_piece([&](const auto& i, int thread) { key_blocks(i, thread, true); });
      each_query_block([&](const auto& i, int thread) { finish_delta(i, thread); });
      each_piece([&](const auto& i, int thread) { key_blocks(i, thread, false); });
      each_query_block([&](const auto& i, int thread) { unpack(i, thread); });
    }
    learned_.reduce([&](long n) { return w_.packing[n].head; });
  }

 private:
  long count_partitions() const {
    long most = 1;
    for (const sequence& s : plan_.sequences) most = std::max(most, plan_.key_blocks(s));
    const long rows = std::max<long>(1, long(plan_.sequences.size()) * key_heads_);
    return std::min(most, learned_.any_along_keys() ? pieces : (pieces + rows - 1) / rows);
  }

  void list_work() {
    w_.packing.clear(), w_.first_block.assign(1, 0);
    for (long n = 0; n < long(plan_.sequences.size()); ++n) {
      const sequence& s = plan_.sequences[n];
      w_.first_block.push_back(w_.first_block.back() + plan_.query_blocks(s));
      for (long h = 0; h < heads_; ++h)
        for (long b = 0; b < plan_.query_blocks(s); ++b) w_.packing.push_back({n, h, b});
    }
  }

  // Pieces in order of partition, sequence, key head.  Chains: piece i belongs to chain i % chain_count_.
  void chain_pieces() {
    w_.items.clear();
    const auto [shared_by_sequences, shared_by_heads] = learned_.shared_along_keys();
    const long n = long(plan_.sequences.size());
    const auto add = [&](long s, long g) {
      for (long p = 0; p < partitions_; ++p) w_.items.push_back({s, g, p});
    };
    chain_count_ = n * key_heads_ * partitions_;
    if (shared_by_heads && !shared_by_sequences) {
      for (long g = 0; g < key_heads_; ++g)
        for (long s = 0; s < n; ++s) add(s, g);
      chain_count_ = n * partitions_;
    } else {
      for (long s = 0; s < n; ++s)
        for (long g = 0; g < key_heads_; ++g) add(s, g);
      if (shared_by_sequences) chain_count_ = shared_by_heads ? partitions_ : key_heads_ * partitions_;
    }
  }

  // With one partition, a piece packs its own queries and nobody else reads them: a thread's memory serves piece after
  // piece and stays in its cache.  Otherwise the queries of all heads are packed first, for all partitions.
  void give_memory() {
    for (const sequence& s : plan_.sequences) longest_ = std::max(longest_, plan_.query_blocks(s));
    alone_ = partitions_ == 1;
    side_ = backward_side;
    if (longest_ <= 1) {  // short heads: no more rows than they have
      long rows = 1;
      for (const sequence& s : plan_.sequences) rows = std::max(rows, s.queries);
      side_ = (rows + kernel_.tile_rows - 1) / kernel_.tile_rows * kernel_.tile_rows;
    }
    const long blocks = alone_ ? thread_count() * group_ * longest_ : w_.first_block.back() * heads_;
    const long sums = means_ ? partitions_ : 0;
    const long widths[] = {depth_, padded_depth_, columns_, padded_columns_, 1, 1, 1, 1, sums, sums, sums,
                           padded_depth_ * partitions_};
    const auto floats = [&](long width) { return (blocks * side_ * width + 15) / 16 * 16; };
    long all_floats = 0;
    for (long width : widths) all_floats += floats(width);
    float* at = w_.packed.get<float>(all_floats);
    const auto take = [&](int n) { return std::exchange(at, at + floats(widths[n])); };
    row_stride_ = blocks * side_;
    base_ = packed_queries{.side = side_,
                           .q_tiles = take(0),
                           .q_rows = take(1),
                           .d_tiles = take(2),
                           .d_rows = take(3),
                           .lse = take(4),
                           .lse_rest = take(5),
                           .delta = take(6),
                           .squares = take(7),
                           .slope_dp = take(8),
                           .slope_total = take(9),
                           .weight_total = take(10),
                           .finite = w_.finite.get<unsigned char>(blocks),
                           .dq = take(11),
                           .live = nullptr,
                           .head = 0,
                           .cuts = nullptr};
    scratch_floats_ = (kernel_.scratch_size(depth_, columns_) + 15) / 16 * 16;
    scratch_ = w_.scratch.get<float>(scratch_floats_ * thread_count());
    heads_of_thread_ = w_.heads.get<packed_queries>(group_ * thread_count());
    learned_.give(w_.gradients, long(plan_.sequences.size()) * key_heads_ * partitions_, long(w_.packing.size()));
  }
  void find_cuts_of_rows() {
    if (formula_.row().keep == 0) return;
    cuts_ = w_.cuts.get<row_cut>(x_.q.sizes[0] * x_.q.sizes[1] * x_.q.sizes[2]);
    find_cuts(formula_, x_, prepared_, cuts_, w_);
  }
  // The number of a head's first row, counted over [B, H, T].
  long first_row(const sequence& s, long head) const { return (s.row * heads_ + head) * x_.q.sizes[1] + s.q0; }

  // The number of a head's first query block, counted over all heads of all sequences.
  long first_block(long sequence, long head) const {
    return w_.first_block[sequence] * heads_ + head * plan_.query_blocks(plan_.sequences[sequence]);
  }
  // One head's part of the packed memory.
  packed_queries packed(long sequence, long head, long partition, int thread) const {
    const long first = alone_ ? (thread * group_ + head % group_) * longest_ : first_block(sequence, head);
    const long row = first * side_;
    packed_queries p = base_;
    p.q_tiles += row * depth_, p.q_rows += row * padded_depth_;
    p.d_tiles += row * columns_, p.d_rows += row * padded_columns_;
    p.lse += row, p.lse_rest += row, p.delta += row, p.squares += row, p.finite += first;
    p.slope_dp += partition * row_stride_ + row, p.slope_total += partition * row_stride_ + row;
    p.weight_total += partition * row_stride_ + row;
    p.dq += (partition * row_stride_ + row) * padded_depth_;
    if (cuts_) p.cuts = cuts_ + first_row(plan_.sequences[sequence], head);
    p.live = &plan_.live(sequence, head);
    p.head = head;
    return p;
  }

  void pack(const workspace::state::item& i, int thread) {
    const sequence& s = plan_.sequences[i.sequence];
    const long first = i.block * backward_side, t = s.q0 + first;
    kernel_.pack_queries({&formula_, depth_, columns_, float(formula_.scale(depth_)), i.block,
                          std::min(backward_side, s.queries - first),
                          &prepared_.q(s.row, t, i.head, 0), prepared_.q.strides[1],
                          &out_(s.row, t, i.head, 0), out_.strides[1],
                          &dout_(s.row, t, i.head, 0), dout_.strides[1],
                          &lse_(s.row, t, i.head), lse_.strides[1],
                          prepared_.query_squares ? prepared_.query_squares + first_row(s, i.head) + first : nullptr,
                          packed(i.sequence, i.head, 0, thread)});
  }

  // The mean that a row's slopes are taken against, from all partitions' sums; and with it the sink's gradient: it has a
  // weight and no value.
  void finish_delta(const workspace::state::item& i, int thread) {
    if (!means_ && !learned_.has_sink()) return;
    const sequence& s = plan_.sequences[i.sequence];
    const packed_queries p = packed(i.sequence, i.head, 0, thread);
    const long first = i.block * backward_side, rows = std::min(backward_side, s.queries - first);
    float total = 0;
    for (long r = first; r < first + rows; ++r) {
      const row_totals of_sink = learned_.of_sink(i.head, lse_(s.row, s.q0 + r, i.head), unit_reach_);
      if (means_) {
        float of_ds = 0, of_slopes = float(of_sink.slope);
        double of_weights = of_sink.weight;
        for (long n = 0; n < partitions_; ++n) {
          const long at = n * row_stride_ + r;
          of_ds += p.slope_dp[at], of_slopes += p.slope_total[at], of_weights += p.weight_total[at];
        }
        p.delta[r] = of_slopes == 0 ? 0 : of_ds / of_slopes;
        // Weights that miss a sum of 1 tell what fp32 cut off the level: one step of Newton's method.
        if (of_slopes > 0) p.lse_rest[r] = float((of_weights - 1) / of_slopes);
      }
      total -= float(of_sink.slope) * p.delta[r];
    }
    if (learned_.has_sink()) learned_.sink_sum(first_block(i.sequence, i.head) + i.block) = total;
  }

  void work_alone(const workspace::state::item& piece, int thread) {
    const auto each_query_block = [&](const auto& f) {
      for (long n = 0; n < group_; ++n)
        for (long b = 0; b < plan_.query_blocks(plan_.sequences[piece.sequence]); ++b)
          f(workspace::state::item{piece.sequence, piece.head * group_ + n, b});
    };
    each_query_block([&](const auto& i) { pack(i, thread); });
    if (means_) key_blocks(piece, thread, true);
    each_query_block([&](const auto& i) { finish_delta(i, thread); });
    key_blocks(piece, thread, false);
    each_query_block([&](const auto& i) { unpack(i, thread); });
  }

  void key_blocks(const workspace::state::item& i, int thread, bool means) {
    const sequence& s = plan_.sequences[i.sequence];
    packed_queries* const heads = heads_of_thread_ + thread * group_;
    for (long n = 0; n < group_; ++n) {
      heads[n] = packed(i.sequence, i.head * group_ + n, i.block, thread);
      const long rows = plan_.query_blocks(s) * side_;
      if (means) std::fill_n(heads[n].slope_dp, rows, 0.f), std::fill_n(heads[n].slope_total, rows, 0.f), std::fill_n(heads[n].weight_total, rows, 0.f);
      else std::fill_n(heads[n].dq, rows * padded_depth_, 0.f);
    }
    if (s.keys == 0) return;
    float* gradients[most_learned];
    const std::size_t learned = learned_.of_piece((i.sequence * key_heads_ + i.head) * partitions_ + i.block, gradients);
    backward_work w{.rule = &formula_,
                    .depth = depth_,
                    .columns = columns_,
                    .scale = float(formula_.scale(depth_)),
                    .means = means,
                    .unit_reach = unit_reach_,
                    .key_squares = prepared_.key_squares ? prepared_.key_squares +
                                       (s.row * key_heads_ + i.head) * x_.k.sizes[1] + s.k0 : nullptr,
                    .heads = heads,
                    .head_count = group_,
                    .key_block = 0,
                    .k = &prepared_.k(s.row, s.k0, i.head, 0),
                    .k_stride = prepared_.k.strides[1],
                    .v = &x_.v(s.row, s.k0, i.head, 0),
                    .v_stride = x_.v.strides[1],
                    .dk = &dk_(s.row, s.k0, i.head, 0),
                    .dk_stride = dk_.strides[1],
                    .dv = &dv_(s.row, s.k0, i.head, 0),
                    .dv_stride = dv_.strides[1],
                    .where = {s.number, 0, 0, 0, 0, 0, s.offset, s.queries, s.keys},
                    .gradients = {gradients, learned},
                    .scratch = scratch_ + thread * scratch_floats_};
    for (w.key_block = i.block; w.key_block < plan_.key_blocks(s); w.key_block += partitions_) kernel_.key_block(w);
  }

  void unpack(const workspace::state::item& i, int thread) {
    const sequence& s = plan_.sequences[i.sequence];
    const long first = i.block * backward_side;
    kernel_.unpack_dq(packed(i.sequence, i.head, 0, thread).dq + first * padded_depth_, partitions_, row_stride_ * padded_depth_,
                      std::min(backward_side, s.queries - first), depth_, &dq_(s.row, s.q0 + first, i.head, 0), dq_.strides[1]);
  }

  const formula& formula_;
  const problem& x_;
  const prepared_problem& prepared_;
  view<const float, 4> out_;
  view<const float, 3> lse_;
  view<const float, 4> dout_;
  view<float, 4> dq_, dk_, dv_;
  learned_gradients learned_;
  workspace::state& w_;
  const backward_kernel_table& kernel_;
  attention_plan& plan_;
  long heads_ = 0, key_heads_ = 0, group_ = 0, depth_ = 0, columns_ = 0, padded_depth_ = 0, padded_columns_ = 0;
  long longest_ = 0, side_ = backward_side;
  bool alone_ = false, means_ = false;
  float unit_reach_ = 0;
  row_cut* cuts_ = nullptr;
  long partitions_ = 1, chain_count_ = 0, row_stride_ = 0, scratch_floats_ = 0;
  packed_queries base_{};
  packed_queries* heads_of_thread_ = nullptr;
  float* scratch_ = nullptr;
};

}  // namespace

void run_backward(const formula& f, const problem& x, const prepared_problem& prepared, view<const float, 4> out,
                  view<const float, 3> lse, view<const float, 4> dout, view<float, 4> dq, view<float, 4> dk,
                  view<float, 4> dv, std::span<float* const> learned, workspace::state& w) {
  backward_pass(f, x, prepared, out, lse, dout, dq, dk, dv, learned, w).run();
}

}  // namespace qkv
