#include "qkv/ops/sequence_steps.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "qkv/base/error.h"

namespace qkv {

long check_offsets(const char* op, std::span<const long> offsets, long tokens) {
  if (offsets.empty()) refuse(op, "offsets [B+1], at least a 0", "none");
  for (std::size_t b = 0; b < offsets.size(); ++b) {
    const long least = b == 0 ? 0 : offsets[b - 1];
    if (offsets[b] < least || (b == 0 && offsets[b] > 0))
      refuse(op, "offsets that begin at 0 and never fall",
             std::to_string(offsets[b]) + " as number " + std::to_string(b));
  }
  if (offsets.back() != tokens)
    refuse(op, "offsets that end at the " + std::to_string(tokens) + " rows", std::to_string(offsets.back()));
  return long(offsets.size()) - 1;
}

sequence_steps::sequence_steps(std::span<const long> offsets, bool from_the_end) : reversed(from_the_end) {
  const std::size_t count = offsets.size() - 1;
  const auto length_of = [&](long b) { return offsets[std::size_t(b) + 1] - offsets[std::size_t(b)]; };
  sequence.resize(count);
  std::iota(sequence.begin(), sequence.end(), 0l);
  std::stable_sort(sequence.begin(), sequence.end(), [&](long a, long b) { return length_of(a) > length_of(b); });
  for (const long b : sequence) first.push_back(offsets[std::size_t(b)]), length.push_back(length_of(b));
  long live = long(count);
  for (long step = 0; !length.empty() && step < length.front(); ++step) {
    while (length[std::size_t(live) - 1] <= step) --live;
    live_ranks.push_back(live);
  }
}

}  // namespace qkv
