// plan: how the work is cut up.  A pure function of the shapes and the mask; never of the number of threads.
//
// Forward, work is cut along queries: a work item is one block of queries of one head, and its list of live key blocks.
// Backward, it is cut along keys: an item is a set of key blocks of one key head, each with its live query blocks.
// Both lists come from the mask's own answer on intervals, halving a range until it is decided or one block long; heads
// and sequences whose masks read neither at.head nor at.batch share one list.
#pragma once
#include <string>
#include <vector>

#include "qkv/attention/engine.h"

namespace qkv {

/// Blocks from .. to-1 along the varied axis, all full or all partial.
struct block_run {
  std::int32_t from, to;
  bool full;
};

/// For every block of the fixed axis, the runs of live blocks along the other.
struct live_list {
  std::vector<block_run> runs;
  std::vector<std::int32_t> first;  ///< runs of block i: first[i] .. first[i + 1] - 1
  tile_counts counts;
  long fixed_blocks() const { return long(first.size()) - 1; }
};

enum class cut_along { queries, keys };

/// Sides of a block, in links.
struct block_sides {
  long queries, keys;
};

struct attention_plan {
  block_sides sides;
  std::vector<sequence> sequences;
  std::vector<live_list> lists, pieces;
  std::size_t lists_used = 0;
  std::vector<std::int32_t> list_of;  ///< [sequences, H]: which list a head reads
  long heads = 0;

  const live_list& live(long sequence, long head) const { return lists[list_of[sequence * heads + head]]; }
  long key_blocks(const sequence& s) const { return (s.keys + sides.keys - 1) / sides.keys; }
  long query_blocks(const sequence& s) const { return (s.queries + sides.queries - 1) / sides.queries; }
};

/// Fills `plan`, reusing its memory.  Cost: O(live runs x log blocks) questions to the mask per distinct list.
void make_plan(const formula&, const problem&, cut_along, block_sides, attention_plan& plan);

/// Tiles of all heads and sequences.
tile_counts count_tiles(const attention_plan& plan);

/// One line a list: which blocks are live.  For people and tests.
std::string to_string(const attention_plan& plan);

/// The interval of places that a rectangle of links covers, for all heads first_head .. last_head.
position<interval> places(const sequence&, long first_head, long last_head, long row, long rows, long key, long keys);

}  // namespace qkv
