// The backward pass: pack queries, then key blocks in partitions fixed by the shape, then the partitions' dQ in order.
#include <utility>

#include "qkv/attention/backward_kernel.h"
#include "qkv/attention/workspace.h"
#include "qkv/base/threads.h"

namespace qkv {
namespace {

// Enough pieces of work for any number of threads a desk has, fixed by the shape alone.
constexpr long pieces = 16;

// A learned tensor whose last axis runs along the keys (a dense bias) is as large as the links themselves: its gradient
// is written in place, and pieces that could write the same entry follow each other in one chain.  The others get a
// private gradient a piece, added in order.
bool runs_along_keys(const parameter& p) { return std::string_view(p.letters).ends_with(" S"); }

class backward_pass {
 public:
  backward_pass(const formula& f, const problem& x, view<const float, 4> out, view<const float, 3> lse,
                view<const float, 4> dout, view<float, 4> dq, view<float, 4> dk, view<float, 4> dv,
                std::span<float* const> learned, workspace::state& w)
      : formula_(f), x_(x), out_(out), lse_(lse), dout_(dout), dq_(dq), dk_(dk), dv_(dv), learned_(learned), w_(w),
        kernel_(backward_kernels_now()), plan_(w.backward_plan), parameters_(f.parameters()) {
    make_plan(f, x, cut_along::keys, {backward_side, backward_side}, plan_);
    w_.visited = count_tiles(plan_);
    heads_ = x.q.sizes[2], key_heads_ = x.k.sizes[2], group_ = heads_ / std::max(1L, key_heads_);
    depth_ = x.q.sizes[3], columns_ = x.v.sizes[3];
    const auto padded = [&](long n) { return (n + kernel_.tile_columns - 1) / kernel_.tile_columns * kernel_.tile_columns; };
    padded_depth_ = padded(depth_), padded_columns_ = padded(columns_);
    partitions_ = count_partitions();
  }

  void run() {
    clear(dq_), clear(dk_), clear(dv_);
    list_work();
    give_memory();
    chain_pieces();
    const auto each_query_block = [&](const auto& f) {
      parallel_for(long(w_.packing.size()), [&](long n, int) { f(w_.packing[n], 0); });
    };
    if (!alone_) each_query_block([&](const auto& i, int thread) { pack(i, thread); });
    parallel_for(chain_count_, [&](long n, int thread) {
      for (std::size_t i = n; i < w_.items.size(); i += chain_count_) work_on(w_.items[i], thread);
    });
    if (!alone_) each_query_block([&](const auto& i, int thread) { unpack(i, thread); });
    reduce_learned();
  }

 private:
  long count_partitions() const {
    long most = 1;
    for (const sequence& s : plan_.sequences) most = std::max(most, plan_.key_blocks(s));
    const long rows = std::max<long>(1, long(plan_.sequences.size()) * key_heads_);
    const bool dense = std::any_of(parameters_.begin(), parameters_.end(), runs_along_keys);
    return std::min(most, dense ? pieces : (pieces + rows - 1) / rows);
  }
  // Places that no sequence covers.
  void clear(view<float, 4> d) const {
    if (x_.ragged.how == sequences::whole && !plan_.sequences.empty()) return;
    for (long b = 0; b < d.sizes[0]; ++b)
      for (long t = 0; t < d.sizes[1]; ++t)
        for (long h = 0; h < d.sizes[2]; ++h) std::fill_n(&d(b, t, h, 0), d.sizes[3], 0.f);
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
    bool shared_by_sequences = false, shared_by_heads = false;
    for (const parameter& p : parameters_)
      if (runs_along_keys(p)) shared_by_sequences |= p.values.dim(0) == 1, shared_by_heads |= p.values.dim(1) == 1;
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
    const long widths[] = {depth_, padded_depth_, columns_, padded_columns_, 1, 1, 1, padded_depth_ * partitions_};
    const auto floats = [&](long width) { return (blocks * side_ * width + 15) / 16 * 16; };
    long all_floats = 0;
    for (long width : widths) all_floats += floats(width);
    float* at = w_.packed.get<float>(all_floats);
    const auto take = [&](int n) { return std::exchange(at, at + floats(widths[n])); };
    dq_stride_ = blocks * side_ * padded_depth_;
    base_ = packed_queries{side_,   take(0), take(1), take(2), take(3), take(4), take(5), take(6),
                           w_.finite.get<unsigned char>(blocks), take(7), nullptr, 0};
    scratch_floats_ = (kernel_.scratch_size(depth_, columns_) + 15) / 16 * 16;
    scratch_ = w_.scratch.get<float>(scratch_floats_ * thread_count());
    heads_of_thread_ = w_.heads.get<packed_queries>(group_ * thread_count());
    private_floats_ = 0;
    for (const parameter& p : score_parameters())
      if (!runs_along_keys(p)) private_floats_ += p.values.size();
    const long all = long(plan_.sequences.size()) * key_heads_ * partitions_;
    sink_ = formula_.sink() ? long(w_.packing.size()) : 0;
    private_ = w_.gradients.get<float>(all * private_floats_ + sink_);
    std::fill_n(private_, all * private_floats_ + sink_, 0.f);
  }
  std::span<const parameter> score_parameters() const {
    return {parameters_.data(), parameters_.size() - (formula_.sink() ? 1 : 0)};
  }

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
    p.lse += row, p.lse_rest += row, p.delta += row, p.finite += first;
    p.dq += partition * dq_stride_ + row * padded_depth_;
    p.live = &plan_.live(sequence, head);
    p.head = head;
    return p;
  }

  void pack(const workspace::state::item& i, int thread) {
    const sequence& s = plan_.sequences[i.sequence];
    const long first = i.block * backward_side, t = s.q0 + first;
    const packing_work w{&formula_, depth_, columns_, float(formula_.scale(depth_)), i.block,
                         std::min(backward_side, s.queries - first),
                         &x_.q(s.row, t, i.head, 0), x_.q.strides[1],
                         &out_(s.row, t, i.head, 0), out_.strides[1],
                         &dout_(s.row, t, i.head, 0), dout_.strides[1],
                         &lse_(s.row, t, i.head), lse_.strides[1],
                         packed(i.sequence, i.head, 0, thread)};
    kernel_.pack_queries(w);
    if (!sink_) return;
    // The sink's weight is exp(sink - lse); it has no value, so its score's gradient is -weight * delta.
    const float sink = formula_.sink()->data<float>()[i.head];
    float total = 0;
    for (long r = 0; r < w.rows; ++r) {
      const float lse = w.lse[r * w.lse_stride];
      if (lse > -std::numeric_limits<float>::infinity()) total -= std::exp(sink - lse) * w.to.delta[first + r];
      else if (lse != lse) total = lse;
    }
    private_[first_block(i.sequence, i.head) + i.block] = total;
  }

  void work_on(const workspace::state::item& piece, int thread) {
    const auto each_query_block = [&](const auto& f) {
      for (long n = 0; n < group_; ++n)
        for (long b = 0; b < plan_.query_blocks(plan_.sequences[piece.sequence]); ++b)
          f(workspace::state::item{piece.sequence, piece.head * group_ + n, b});
    };
    if (alone_) each_query_block([&](const auto& i) { pack(i, thread); });
    key_blocks(piece, thread);
    if (alone_) each_query_block([&](const auto& i) { unpack(i, thread); });
  }

  void key_blocks(const workspace::state::item& i, int thread) {
    const sequence& s = plan_.sequences[i.sequence];
    packed_queries* const heads = heads_of_thread_ + thread * group_;
    for (long n = 0; n < group_; ++n) {
      heads[n] = packed(i.sequence, i.head * group_ + n, i.block, thread);
      std::fill_n(heads[n].dq, plan_.query_blocks(s) * side_ * padded_depth_, 0.f);
    }
    if (s.keys == 0) return;
    float* mine = private_ + sink_ + ((i.sequence * key_heads_ + i.head) * partitions_ + i.block) * private_floats_;
    float* gradients[most_learned];
    for (std::size_t n = 0; n < score_parameters().size(); ++n)
      gradients[n] = runs_along_keys(parameters_[n]) ? learned_[n] : std::exchange(mine, mine + parameters_[n].values.size());
    backward_work w{.rule = &formula_,
                    .depth = depth_,
                    .columns = columns_,
                    .scale = float(formula_.scale(depth_)),
                    .heads = heads,
                    .head_count = group_,
                    .key_block = 0,
                    .k = &x_.k(s.row, s.k0, i.head, 0),
                    .k_stride = x_.k.strides[1],
                    .v = &x_.v(s.row, s.k0, i.head, 0),
                    .v_stride = x_.v.strides[1],
                    .dk = &dk_(s.row, s.k0, i.head, 0),
                    .dk_stride = dk_.strides[1],
                    .dv = &dv_(s.row, s.k0, i.head, 0),
                    .dv_stride = dv_.strides[1],
                    .where = {s.number, 0, 0, 0, 0, 0, s.offset, s.queries, s.keys},
                    .gradients = {gradients, score_parameters().size()},
                    .scratch = scratch_ + thread * scratch_floats_};
    for (w.key_block = i.block; w.key_block < plan_.key_blocks(s); w.key_block += partitions_) kernel_.key_block(w);
  }

  void unpack(const workspace::state::item& i, int thread) {
    const sequence& s = plan_.sequences[i.sequence];
    const long first = i.block * backward_side;
    kernel_.unpack_dq(packed(i.sequence, i.head, 0, thread).dq + first * padded_depth_, partitions_, dq_stride_,
                      std::min(backward_side, s.queries - first), depth_, &dq_(s.row, s.q0 + first, i.head, 0), dq_.strides[1]);
  }

  void reduce_learned() {
    const float* from = private_ + sink_;
    const long all = long(plan_.sequences.size()) * key_heads_ * partitions_;
    for (long piece = 0; piece < all; ++piece)
      for (std::size_t n = 0; n < score_parameters().size(); ++n)
        if (!runs_along_keys(parameters_[n]))
          for (long e = 0; e < parameters_[n].values.size(); ++e) learned_[n][e] += *from++;
    for (long n = 0; n < sink_; ++n) learned_.back()[w_.packing[n].head] += private_[n];
  }

  const formula& formula_;
  const problem& x_;
  view<const float, 4> out_;
  view<const float, 3> lse_;
  view<const float, 4> dout_;
  view<float, 4> dq_, dk_, dv_;
  std::span<float* const> learned_;
  workspace::state& w_;
  const backward_kernel_table& kernel_;
  attention_plan& plan_;
  const std::vector<parameter>& parameters_;
  long heads_ = 0, key_heads_ = 0, group_ = 0, depth_ = 0, columns_ = 0, padded_depth_ = 0, padded_columns_ = 0;
  long longest_ = 0, side_ = backward_side;
  bool alone_ = false;
  long partitions_ = 1, chain_count_ = 0, dq_stride_ = 0, scratch_floats_ = 0, private_floats_ = 0, sink_ = 0;
  packed_queries base_{};
  packed_queries* heads_of_thread_ = nullptr;
  float *scratch_ = nullptr, *private_ = nullptr;
};

}  // namespace

void attention_backward_into(const formula& f, const problem& x, view<const float, 4> out, view<const float, 3> lse,
                             view<const float, 4> dout, view<float, 4> dq, view<float, 4> dk, view<float, 4> dv,
                             std::span<float* const> learned, workspace& w) {
  check("attention backward", f, x);
  check_fused("attention backward", f);
  const auto &q = x.q.sizes, &k = x.k.sizes, &v = x.v.sizes;
  const std::array<long, 4> results{q[0], q[1], q[2], v[3]};
  check_given("attention backward", "out", out, results);
  check_given("attention backward", "lse", lse, {q[0], q[1], q[2]});
  check_given("attention backward", "dout", dout, results);
  check_given("attention backward", "dq", dq, q);
  check_given("attention backward", "dk", dk, k);
  check_given("attention backward", "dv", dv, v);
  if (learned.size() != f.parameters().size())
    refuse("attention backward", std::to_string(f.parameters().size()) + " gradients of learned parameters",
           std::to_string(learned.size()));
  backward_pass(f, x, out, lse, dout, dq, dk, dv, learned, w.inside()).run();
}

}  // namespace qkv
