// All strings of a set that a text starts with, in one walk over the text.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qkv::tokens {

class piece_trie {
 public:
  /// Strings to look for, not empty and each once, and the numbers to give for them.
  explicit piece_trie(std::vector<std::pair<std::string_view, std::int32_t>> pieces);

  /// Calls found(number, length) for every piece that the text starts with, the shortest first.
  template <class Found>
  void each_prefix(std::string_view text, Found found) const {
    if (text.empty()) return;
    std::int32_t at = first_[static_cast<unsigned char>(text[0])];
    for (std::size_t length = 1; at >= 0; ++length) {
      const node& here = nodes_[std::size_t(at)];
      if (here.number >= 0) found(here.number, length);
      at = length < text.size() ? child(here, text[length]) : -1;
    }
  }

 private:
  struct node {
    std::int32_t number = -1;  // of the piece that ends here; -1: none
    std::int32_t first_child = 0;
    std::uint16_t children = 0;
    char label = 0;
  };

  std::int32_t child(const node& parent, char label) const {
    for (std::int32_t i = parent.first_child; i < parent.first_child + parent.children; ++i)
      if (nodes_[std::size_t(i)].label == label) return i;
    return -1;
  }

  std::vector<node> nodes_;
  std::array<std::int32_t, 256> first_{};  // the nodes of first bytes; -1: none
};

}  // namespace qkv::tokens
