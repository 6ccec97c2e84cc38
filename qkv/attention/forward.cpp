// The forward pass: plan, pack keys and values, then one work item a block of queries.
#include "qkv/attention/fill.h"
#include "qkv/attention/passes.h"
#include "qkv/attention/threshold.h"
#include "qkv/base/threads.h"

namespace qkv {

block_sides forward_sides(const problem& x) {
  const long width = x.q.sizes[3] + x.v.sizes[3], panel = forward_kernels_now().tile_columns;
  long longest = 1;
  each_sequence(x, [&](const sequence& s) { longest = std::max(longest, s.keys); });
  const long fitting = width <= 128 ? forward_key_side : width <= 320 ? 128 : 64;
  return {forward_query_side, std::min(fitting, (longest + panel - 1) / panel * panel)};
}

namespace {

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

// The most live key blocks of one block of queries.
long most_live_blocks(const attention_plan& plan) {
  long most = 1;
  for (std::size_t n = 0; n < plan.lists_used; ++n)
    for (long i = 0; i < plan.lists[n].fixed_blocks(); ++i) {
      long live = 0;
      for (auto r = plan.lists[n].first[i]; r < plan.lists[n].first[i + 1]; ++r)
        live += plan.lists[n].runs[r].to - plan.lists[n].runs[r].from;
      most = std::max(most, live);
    }
  return most;
}

class forward_pass {
 public:
  /// narrow: where keys and values are, or null for those of x.
  forward_pass(const formula& f, const problem& x, const narrow_problem* narrow, const prepared_problem& prepared,
               view<float, 4> out, view<float, 3> lse, row_cut* cuts, workspace::state& w)
      : formula_(f), x_(x), narrow_(narrow), prepared_(prepared), out_(out), lse_(lse), cuts_(cuts), w_(w),
        kernel_(forward_kernels_now()),
        plan_(w.forward_plan), whole_rows_(needs_whole_rows(f)) {
    make_plan(f, x, cut_along::queries, forward_sides(x), plan_);
    w_.visited = count_tiles(plan_);
    depth_ = x.q.sizes[3], columns_ = x.v.sizes[3];
    key_floats_ = plan_.sides.keys * depth_;
    value_floats_ = plan_.sides.keys * ((columns_ + kernel_.tile_columns - 1) / kernel_.tile_columns * kernel_.tile_columns);
  }

  void run() {
    if (out_.data && x_.ragged.how != sequences::whole) fill(out_, 0), fill(lse_, minus_infinity);
    list_work();
    // Many key heads: a thread packs one, serves its queries, and uses the memory, still in its cache, for the next.
    // Few: the keys and values of all are packed first, and query blocks are dealt out one by one.
    const long key_heads = x_.k.sizes[2], pieces = long(plan_.sequences.size()) * key_heads;
    alone_ = pieces >= many_pieces;
    for (const sequence& s : plan_.sequences) longest_ = std::max(longest_, plan_.key_blocks(s));
    give_memory(narrow_ ? thread_count() : alone_ ? longest_ * thread_count() : w_.first_block.back() * key_heads, whole_rows_);
    if (narrow_) return run_narrow();
    if (alone_) return parallel_for(pieces, [&](long n, int thread) { work_on(n / key_heads, n % key_heads, thread); });
    parallel_for(long(w_.packing.size()), [&](long n, int thread) { pack(w_.packing[n], thread); });
    parallel_for(long(w_.items.size()), [&](long n, int thread) { attend(w_.items[n], thread); });
  }

  // Query blocks group, group + groups, ... of a head follow each other on one thread.
  void visit(long groups, function_ref<void(const forward_work&, const sequence&, long group)> each) {
    list_work();
    give_memory(w_.first_block.back() * x_.k.sizes[2], true);
    parallel_for(long(w_.packing.size()), [&](long n, int thread) { pack(w_.packing[n], thread); });
    parallel_for(long(plan_.sequences.size()) * plan_.heads * groups, [&](long n, int thread) {
      const long sequence = n / (plan_.heads * groups), head = n / groups % plan_.heads, group = n % groups;
      const qkv::sequence& s = plan_.sequences[sequence];
      for (long b = group; b < plan_.query_blocks(s); b += groups) each(work_of({sequence, head, b}, thread), s, group);
    });
  }

  // All heads of one block of queries, then after(sequence).
  void visit_heads(function_ref<void(const forward_work&, const sequence&)> each,
                   function_ref<void(const sequence&)> after) {
    list_work();
    give_memory(w_.first_block.back() * x_.k.sizes[2], true);
    parallel_for(long(w_.packing.size()), [&](long n, int thread) { pack(w_.packing[n], thread); });
    for (long n = 0; n < long(plan_.sequences.size()); ++n)
      for (long b = 0; b < plan_.query_blocks(plan_.sequences[n]); ++b) {
        parallel_for(plan_.heads, [&](long h, int thread) { each(work_of({n, h, b}, thread), plan_.sequences[n]); });
        after(plan_.sequences[n]);
      }
  }

 private:
  void give_memory(long blocks, bool whole_rows) {
    if (needs_whole_rows(formula_) && formula_.closed_form() != closed::exponential)
      unit_reach_ = float(unit_reach(formula_)), least_reach_ = float(reach(formula_, 1.0 / double(x_.k.sizes[1] + 1)));
    keys_ = w_.packed.get<float>(blocks * (key_floats_ + value_floats_));
    values_ = keys_ + blocks * key_floats_;
    sizes_ = w_.finite.get<value_sizes>(blocks);
    scratch_floats_ = (kernel_.scratch_size(depth_, columns_, whole_rows ? most_live_blocks(plan_) : 1) + 15) / 16 * 16;
    if (!narrow_) scratch_ = w_.scratch.get<float>(scratch_floats_ * thread_count());
  }

  // Keys and values stay as they are; a thread converts one block of them at a time, for a few query blocks together:
  // those of a head, and of the heads that share its keys.
  void run_narrow() {
    const long together = whole_rows_ ? 1 : narrow_together, group = x_.q.sizes[2] / x_.k.sizes[2];
    rows_floats_ = (std::max(depth_, columns_) * kernel_.tile_columns + 15) / 16 * 16;
    scratch_ = w_.scratch.get<float>((scratch_floats_ * together + rows_floats_) * thread_count());
    w_.packing.clear();
    for (long n = 0; n < long(plan_.sequences.size()); ++n)
      for (long g = 0; g < x_.k.sizes[2]; ++g)
        for (long first = 0; first < group * plan_.query_blocks(plan_.sequences[n]); first += together)
          w_.packing.push_back({n, g, first});
    parallel_for(long(w_.packing.size()), [&](long n, int thread) {
      const auto& [sequence, key_head, first] = w_.packing[n];
      float* scratch = scratch_ + thread * (scratch_floats_ * together + rows_floats_);
      const narrow_head head =
          narrow_head_of(plan_.sequences[sequence], key_head, thread, scratch + scratch_floats_ * together);
      forward_work works[narrow_together];
      long count = 0;
      for (const long blocks = plan_.query_blocks(plan_.sequences[sequence]);
           count < together && first + count < group * blocks; ++count) {
        const long number = first + count;
        works[count] = work_of({sequence, key_head * group + number / blocks, number % blocks}, thread);
        works[count].narrow = &head;
        works[count].scratch = scratch + count * scratch_floats_;
      }
      kernel_.narrow_query_blocks(works, count);
    });
  }
  narrow_head narrow_head_of(const sequence& s, long g, int thread, float* rows) const {
    const auto rows_of = [&](const narrow_view& x) {
      if (s.keys == 0) return narrow_rows{};
      if (const auto* v = std::get_if<view<const float, 4>>(&x))
        return narrow_rows{narrow_rows::float32, &(*v)(s.row, s.k0, g, 0), v->strides[1], nullptr, 0};
      if (const auto* v = std::get_if<view<const bfloat16, 4>>(&x))
        return narrow_rows{narrow_rows::bfloat16, &(*v)(s.row, s.k0, g, 0), v->strides[1], nullptr, 0};
      const quantised& q = std::get<quantised>(x);
      return narrow_rows{narrow_rows::int8, &q.values(s.row, s.k0, g, 0), q.values.strides[1],
                         &q.scales(s.row, s.k0, g), q.scales.strides[1]};
    };
    return {rows_of(narrow_->k), rows_of(narrow_->v), formula_.prepare() == vectors::unit, keys_ + thread * key_floats_,
            values_ + thread * value_floats_, sizes_ + thread, rows};
  }

  // Late query blocks first: under a causal mask they are the long ones.
  void list_work() {
    w_.items.clear(), w_.packing.clear(), w_.first_block.assign(1, 0);
    for (long n = 0; n < long(plan_.sequences.size()); ++n) {
      const sequence& s = plan_.sequences[n];
      w_.first_block.push_back(w_.first_block.back() + plan_.key_blocks(s));
      for (long g = 0; g < x_.k.sizes[2]; ++g)
        for (long b = 0; b < plan_.key_blocks(s); ++b) w_.packing.push_back({n, g, b});
      for (long h = 0; h < plan_.heads; ++h)
        for (long b = plan_.query_blocks(s) - 1; b >= 0; --b) w_.items.push_back({n, h, b});
    }
  }
  void work_on(long sequence, long key_head, int thread) {
    const qkv::sequence& s = plan_.sequences[sequence];
    const long group = x_.q.sizes[2] / x_.k.sizes[2];
    for (long b = 0; b < plan_.key_blocks(s); ++b) pack({sequence, key_head, b}, thread);
    for (long h = key_head * group; h < (key_head + 1) * group; ++h)
      for (long b = 0; b < plan_.query_blocks(s); ++b) attend({sequence, h, b}, thread);
  }
  // Blocks of one key head of one sequence lie together.
  long first_block(long sequence, long key_head, int thread) const {
    if (alone_) return thread * longest_;
    if (narrow_) return thread;
    return w_.first_block[sequence] * x_.k.sizes[2] + key_head * plan_.key_blocks(plan_.sequences[sequence]);
  }

  void pack(const workspace::state::item& i, int thread) {
    const sequence& s = plan_.sequences[i.sequence];
    const long first = i.block * plan_.sides.keys, block = first_block(i.sequence, i.head, thread) + i.block;
    sizes_[block] = kernel_.pack_keys_values(
        &prepared_.k(s.row, s.k0 + first, i.head, 0), prepared_.k.strides[1], &x_.v(s.row, s.k0 + first, i.head, 0), x_.v.strides[1],
        std::min(plan_.sides.keys, s.keys - first), plan_.sides.keys, depth_, columns_, keys_ + block * key_floats_,
        values_ + block * value_floats_);
    if (prepared_.key_squares)
      for (const float *x = key_squares(s, i.head) + first, *end = x + std::min(plan_.sides.keys, s.keys - first); x != end; ++x)
        if (*x - *x != 0) sizes_[block] = value_sizes::not_finite;
  }
  const float* key_squares(const sequence& s, long key_head) const {
    return prepared_.key_squares + (s.row * x_.k.sizes[2] + key_head) * x_.k.sizes[1] + s.k0;
  }

  void attend(const workspace::state::item& i, int thread) { kernel_.query_block(work_of(i, thread)); }
  forward_work work_of(const workspace::state::item& i, int thread) const {
    const sequence& s = plan_.sequences[i.sequence];
    const long g = i.head / (x_.q.sizes[2] / x_.k.sizes[2]), first = i.block * forward_query_side;
    const long block = first_block(i.sequence, g, thread);
    const live_list& live = plan_.live(i.sequence, i.head);
    const tensor* sink = formula_.sink();
    const bool raw = s.keys > 0 && !narrow_;
    const long row = (s.row * x_.q.sizes[2] + i.head) * x_.q.sizes[1] + s.q0 + first;  // counted over [B, H, T]
    return {
        .rule = &formula_,
        .head = {keys_ + block * key_floats_, values_ + block * value_floats_, sizes_ + block,
                 raw ? &prepared_.k(s.row, s.k0, g, 0) : nullptr, prepared_.k.strides[1]},
        .narrow = nullptr,
        .key_block = plan_.sides.keys,
        .depth = depth_,
        .columns = columns_,
        .scale = float(formula_.scale(depth_)),
        .sink = sink ? sink->data<float>() + i.head : nullptr,
        .queries = &prepared_.q(s.row, s.q0 + first, i.head, 0),
        .query_stride = prepared_.q.strides[1],
        .query_squares = prepared_.query_squares ? prepared_.query_squares + row : nullptr,
        .key_squares = prepared_.key_squares && raw ? key_squares(s, g) : nullptr,
        .unit_reach = unit_reach_,
        .least_reach = least_reach_,
        .where = {s.number, i.head, first, std::min(forward_query_side, s.queries - first), 0, 0, s.offset, s.queries, s.keys},
        .runs = live.runs.data() + live.first[i.block],
        .run_count = live.first[i.block + 1] - live.first[i.block],
        .out = out_.data ? &out_(s.row, s.q0 + first, i.head, 0) : nullptr,
        .out_stride = out_.strides[1],
        .lse = out_.data ? &lse_(s.row, s.q0 + first, i.head) : nullptr,
        .lse_stride = lse_.strides[1],
        .cuts = cuts_ ? cuts_ + row : nullptr,
        .scratch = scratch_ + thread * scratch_floats_};
  }

  const formula& formula_;
  const problem& x_;
  const narrow_problem* narrow_;
  const prepared_problem& prepared_;
  view<float, 4> out_;
  view<float, 3> lse_;
  row_cut* cuts_;
  workspace::state& w_;
  const forward_kernel_table& kernel_;
  attention_plan& plan_;
  static constexpr long many_pieces = 16;  // enough for any number of threads a desk has
  bool alone_ = false;
  const bool whole_rows_;
  float unit_reach_ = 0, least_reach_ = 0;
  long longest_ = 0;  // key blocks of the longest sequence
  long depth_ = 0, columns_ = 0, key_floats_ = 0, value_floats_ = 0, scratch_floats_ = 0, rows_floats_ = 0;
  float *keys_ = nullptr, *values_ = nullptr, *scratch_ = nullptr;
  value_sizes* sizes_ = nullptr;
};

}  // namespace

void run_forward(const formula& f, const problem& x, const prepared_problem& prepared, view<float, 4> out,
                 view<float, 3> lse, workspace::state& w) {
  forward_pass(f, x, nullptr, prepared, out, lse, nullptr, w).run();
}

void run_forward(const formula& f, const problem& shapes, const narrow_problem& narrow,
                 const prepared_problem& prepared, view<float, 4> out, view<float, 3> lse, workspace::state& w) {
  forward_pass(f, shapes, &narrow, prepared, out, lse, nullptr, w).run();
}

void find_cuts(const formula& f, const problem& x, const prepared_problem& prepared, row_cut* cuts, workspace::state& w) {
  forward_pass(f, x, nullptr, prepared, {}, {}, cuts, w).run();
}

void visit_queries(const formula& f, const problem& x, const prepared_problem& prepared, long groups,
                   function_ref<void(const forward_work&, const sequence&, long group)> visit, workspace::state& w) {
  forward_pass(f, x, nullptr, prepared, {}, {}, nullptr, w).visit(groups, visit);
}

void visit_heads(const formula& f, const problem& x, const prepared_problem& prepared,
                 function_ref<void(const forward_work&, const sequence&)> visit, function_ref<void(const sequence&)> after,
                 workspace::state& w) {
  forward_pass(f, x, nullptr, prepared, {}, {}, nullptr, w).visit_heads(visit, after);
}

}  // namespace qkv
