#include "qkv/nn/packed_tokens.h"

#include <algorithm>

namespace qkv {

long packed_tokens::longest() const {
  long most = 0;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) most = std::max(most, offsets[b + 1] - offsets[b]);
  return most;
}

packed_tokens pack(std::span<const std::vector<std::int32_t>> sequences) {
  packed_tokens all;
  all.offsets.push_back(0);
  std::vector<std::int32_t> ids, positions;
  for (const auto& sequence : sequences) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    for (std::size_t i = 0; i < sequence.size(); ++i) positions.push_back(std::int32_t(i));
    all.offsets.push_back(long(ids.size()));
  }
  const long count = long(ids.size());
  if (count == 0) refuse("pack", "at least one token", std::to_string(sequences.size()) + " sequences without any");
  all.ids = tensor({1, count}, std::move(ids));
  all.positions = tensor({1, count}, std::move(positions));
  return all;
}

}  // namespace qkv
