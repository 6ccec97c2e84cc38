// Finding live blocks.
#include "qkv/attention/plan.h"

#include <fmt/format.h>

#include "qkv/base/threads.h"

namespace qkv {

position<interval> places(const sequence& s, long first_head, long last_head, long row, long rows, long key, long keys) {
  return {interval(s.offset + row, s.offset + row + rows - 1, reads_query),
          interval(key, key + keys - 1, reads_key),
          interval(first_head, last_head, reads_head),
          interval(s.number, s.number, reads_batch),
          interval(row, row + rows - 1, reads_query),
          interval(s.queries),
          interval(s.keys)};
}

namespace {

// Lists the live blocks of one sequence for heads that agree.
class search {
 public:
  search(const formula& f, const sequence& s, long first_head, long last_head, cut_along cut, block_sides sides,
         live_list& to)
      : formula_(f), s_(s), first_head_(first_head), last_head_(last_head), by_query_(cut == cut_along::queries),
        fixed_side_(by_query_ ? sides.queries : sides.keys), varied_side_(by_query_ ? sides.keys : sides.queries),
        fixed_(by_query_ ? s.queries : s.keys), varied_(by_query_ ? s.keys : s.queries), to_(to) {}

  long fixed_blocks() const { return (fixed_ + fixed_side_ - 1) / fixed_side_; }

  /// Lists blocks begin .. end of the fixed axis.
  void run(long begin, long end) {
    to_.runs.clear();
    to_.first.assign(1, 0);
    to_.counts = {};
    const long blocks = (varied_ + varied_side_ - 1) / varied_side_;
    for (long n = begin; n < end; ++n) {
      fixed_at_ = n * fixed_side_;
      if (blocks > 0) halve(0, blocks);
      to_.first.push_back(std::int32_t(to_.runs.size()));
      long live = 0;
      for (auto r = to_.runs.begin() + to_.first[to_.first.size() - 2]; r != to_.runs.end(); ++r) {
        (r->full ? to_.counts.full : to_.counts.partial) += r->to - r->from;
        live += r->to - r->from;
      }
      to_.counts.empty += blocks - live;
    }
  }

 private:
  coverage ask(long from, long to) const {
    if (!formula_.masks()) return true;
    const long fixed = std::min(fixed_side_, fixed_ - fixed_at_), begin = from * varied_side_,
               varied = std::min(to * varied_side_, varied_) - begin;
    return by_query_ ? ask(fixed_at_, fixed, begin, varied) : ask(begin, varied, fixed_at_, fixed);
  }
  coverage ask(long row, long rows, long key, long keys) const {
    return formula_.classify(places(s_, first_head_, last_head_, row, rows, key, keys));
  }
  // An undecided block may still be empty in every slice of its queries: random blocks, say, are drawn for one block of
  // queries, and are decided only inside it.  The first row that stays undecided ends the search.
  bool empty_in_slices(long row, long rows, long key, long keys) const {
    if (ask(row, rows, key, keys).empty()) return true;
    if (rows == 1) return false;
    return empty_in_slices(row, rows / 2, key, keys) && empty_in_slices(row + rows / 2, rows - rows / 2, key, keys);
  }
  bool empty_in_slices(long block) const {
    const long fixed = std::min(fixed_side_, fixed_ - fixed_at_), begin = block * varied_side_,
               varied = std::min(varied_side_, varied_ - begin);
    return by_query_ ? empty_in_slices(fixed_at_, fixed, begin, varied) : empty_in_slices(begin, varied, fixed_at_, fixed);
  }
  void halve(long from, long to) {
    const coverage c = ask(from, to);
    if (c.empty() || (c.partial() && to - from == 1 && empty_in_slices(from))) return;
    if (c.partial() && to - from > 1) {
      const long middle = from + (to - from) / 2;
      halve(from, middle);
      halve(middle, to);
      return;
    }
    const bool joins = long(to_.runs.size()) > to_.first.back() && to_.runs.back().to == from &&
                       to_.runs.back().full == c.full();
    if (joins) to_.runs.back().to = std::int32_t(to);
    else to_.runs.push_back({std::int32_t(from), std::int32_t(to), c.full()});
  }

  const formula& formula_;
  const sequence& s_;
  long first_head_, last_head_;
  bool by_query_;
  long fixed_side_, varied_side_, fixed_, varied_, fixed_at_ = 0;
  live_list& to_;
};

void append(const live_list& piece, live_list& to) {
  const auto before = std::int32_t(to.runs.size());
  to.runs.insert(to.runs.end(), piece.runs.begin(), piece.runs.end());
  for (std::size_t n = 1; n < piece.first.size(); ++n) to.first.push_back(before + piece.first[n]);
  to.counts.empty += piece.counts.empty;
  to.counts.partial += piece.counts.partial;
  to.counts.full += piece.counts.full;
}

bool same_shape(const sequence& a, const sequence& b) {
  return a.queries == b.queries && a.keys == b.keys && a.offset == b.offset;
}

}  // namespace

void make_plan(const formula& f, const problem& x, cut_along cut, block_sides sides, attention_plan& plan) {
  plan.sides = sides;
  plan.heads = x.q.sizes[2];
  list_sequences(x, plan.sequences);
  plan.list_of.assign(plan.sequences.size() * plan.heads, 0);
  plan.lists_used = 0;
  const auto list = [&](const sequence& s, long first_head, long last_head) {
    if (plan.lists_used == plan.lists.size()) plan.lists.emplace_back();
    // Long lists in pieces, side by side, then one after the other.
    live_list& all = plan.lists[plan.lists_used];
    const long blocks = search(f, s, first_head, last_head, cut, sides, all).fixed_blocks();
    const long pieces = blocks < 64 || !f.masks() ? 1 : 16;
    if (long(plan.pieces.size()) < pieces) plan.pieces.resize(pieces);
    if (pieces == 1) {
      search(f, s, first_head, last_head, cut, sides, all).run(0, blocks);
    } else {
      parallel_for(pieces, [&](long n, int) {
        search(f, s, first_head, last_head, cut, sides, plan.pieces[n]).run(n * blocks / pieces, (n + 1) * blocks / pieces);
      });
      all.runs.clear(), all.first.assign(1, 0), all.counts = {};
      for (long n = 0; n < pieces; ++n) append(plan.pieces[n], all);
    }
    return std::int32_t(plan.lists_used++);
  };
  for (std::size_t n = 0; n < plan.sequences.size() && plan.heads > 0; ++n) {
    const sequence& s = plan.sequences[n];
    const bool any = s.queries > 0 && s.keys > 0;
    const reads from = f.masks() && any ? f.classify(places(s, 0, plan.heads - 1, 0, s.queries, 0, s.keys)).from : reads_nothing;
    for (long h = 0; h < plan.heads; ++h) {
      std::int32_t& mine = plan.list_of[n * plan.heads + h];
      const bool like_last_sequence = n > 0 && !(from & reads_batch) && same_shape(s, plan.sequences[n - 1]);
      if (like_last_sequence) mine = plan.list_of[(n - 1) * plan.heads + h];
      else if (h > 0 && !(from & reads_head)) mine = plan.list_of[n * plan.heads];
      else if (from & reads_head) mine = list(s, h, h);
      else mine = list(s, 0, plan.heads - 1);
    }
  }
}

tile_counts count_tiles(const attention_plan& plan) {
  tile_counts all;
  for (std::int32_t n : plan.list_of) {
    all.empty += plan.lists[n].counts.empty;
    all.partial += plan.lists[n].counts.partial;
    all.full += plan.lists[n].counts.full;
  }
  return all;
}

std::string to_string(const attention_plan& plan) {
  std::string text = fmt::format("{} sequences, {} heads, blocks of {} queries x {} keys, {} lists\n",
                                 plan.sequences.size(), plan.heads, plan.sides.queries, plan.sides.keys, plan.lists_used);
  for (std::size_t n = 0; n < plan.lists_used; ++n) {
    const live_list& l = plan.lists[n];
    text += fmt::format("list {}: {} full, {} partial, {} empty\n", n, l.counts.full, l.counts.partial, l.counts.empty);
    for (long i = 0; i < l.fixed_blocks(); ++i) {
      text += fmt::format("  block {}:", i);
      for (auto r = l.first[i]; r < l.first[i + 1]; ++r)
        text += fmt::format(" {}..{} {}", l.runs[r].from, l.runs[r].to - 1, l.runs[r].full ? "full" : "partial");
      text += '\n';
    }
  }
  return text;
}

}  // namespace qkv
