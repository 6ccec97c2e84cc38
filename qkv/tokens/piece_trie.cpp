#include "qkv/tokens/piece_trie.h"

#include <algorithm>

namespace qkv::tokens {

piece_trie::piece_trie(std::vector<std::pair<std::string_view, std::int32_t>> pieces) {
  std::ranges::sort(pieces);
  first_.fill(-1);
  /// Pieces begin .. end-1 agree in their first `depth` bytes, which lead to `parent` (-1: to no node yet).
  struct group {
    std::size_t begin, end, depth;
    std::int32_t parent;
  };
  std::vector<group> groups{{0, pieces.size(), 0, -1}};
  for (std::size_t next = 0; next < groups.size(); ++next) {
    const group g = groups[next];
    std::size_t begin = g.begin;
    if (begin < g.end && pieces[begin].first.size() == g.depth)
      nodes_[std::size_t(g.parent)].number = pieces[begin++].second;
    if (g.parent >= 0) nodes_[std::size_t(g.parent)].first_child = std::int32_t(nodes_.size());
    while (begin < g.end) {
      const char label = pieces[begin].first[g.depth];
      std::size_t end = begin;
      while (end < g.end && pieces[end].first[g.depth] == label) ++end;
      const auto made = std::int32_t(nodes_.size());
      nodes_.push_back({.label = label});
      if (g.parent >= 0)
        ++nodes_[std::size_t(g.parent)].children;
      else
        first_[static_cast<unsigned char>(label)] = made;
      groups.push_back({begin, end, g.depth + 1, made});
      begin = end;
    }
  }
}

}  // namespace qkv::tokens
