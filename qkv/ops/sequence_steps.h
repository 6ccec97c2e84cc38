// Packed sequences walked step by step: all that still run form a prefix, because the longest come first.
// Internal to this room.
#pragma once
#include <span>
#include <vector>

namespace qkv {

/// Throws shape_error unless offsets [B+1] begin at 0, never fall and end at `tokens`.   @returns B
long check_offsets(const char* op, std::span<const long> offsets, long tokens);

/// Sequences by rank, longest first; equal ones in their order.
struct sequence_steps {
  bool reversed;                 ///< a sequence is then read from its last token to its first
  std::vector<long> sequence;    ///< of each rank
  std::vector<long> first;       ///< each rank's first row
  std::vector<long> length;      ///< never rising
  std::vector<long> live_ranks;  ///< how many sequences have a step t, for every t up to the longest

  sequence_steps(std::span<const long> offsets, bool reversed);

  long count() const { return long(sequence.size()); }
  long longest() const { return long(live_ranks.size()); }
  long live(long step) const { return step < longest() ? live_ranks[std::size_t(step)] : 0; }
  /// The row that a sequence reads at a step.
  long row(long rank, long step) const {
    const auto r = std::size_t(rank);
    return first[r] + (reversed ? length[r] - 1 - step : step);
  }
};

}  // namespace qkv
