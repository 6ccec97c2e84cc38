// A suffix array that looks only at as many characters as a piece may have: all places in the words, sorted by what
// follows.  Places of one substring are then neighbours.
#include "qkv/tokens/frequent_substrings.h"

#include <algorithm>
#include <numeric>

#include "qkv/tokens/unicode.h"

namespace qkv::tokens {
namespace {

class sorted_places {
 public:
  sorted_places(const std::vector<counted_part>& words, int longest) : longest_(longest) {
    for (const counted_part& word : words) add(word);
    order_.resize(characters_.size());
    std::iota(order_.begin(), order_.end(), 0u);
    std::erase_if(order_, [&](std::uint32_t place) { return characters_[place] == word_end; });
    std::ranges::sort(order_, [&](std::uint32_t a, std::uint32_t b) { return before(a, b); });
    for (std::size_t i = 0; i < order_.size(); ++i) shared_.push_back(i == 0 ? 0 : shared(order_[i - 1], order_[i]));
  }

  /// Calls found(place, count) for each substring of this length.
  template <class Found>
  void each(int length, Found found) const {
    for (std::size_t i = 0; i < order_.size();) {
      const std::size_t first = i;
      long count = 0;
      do count += counts_[order_[i++]];
      while (i < order_.size() && shared_[i] >= length);
      if (fits(order_[first], length)) found(order_[first], count);
    }
  }

  std::string text_at(std::uint32_t place, int length) const {
    std::string text;
    for (int i = 0; i < length; ++i) text += texts_[place + std::size_t(i)];
    return text;
  }

 private:
  static constexpr char32_t word_end = 0xFFFFFFFE;

  void add(const counted_part& word) {
    for (std::size_t position = 0; position < word.text.size();) {
      const std::size_t begin = position;
      characters_.push_back(next_character(word.text, position));
      texts_.push_back(std::string_view(word.text).substr(begin, position - begin));
      counts_.push_back(word.count);
    }
    characters_.push_back(word_end);
    texts_.emplace_back();
    counts_.push_back(0);
  }

  bool fits(std::uint32_t place, int length) const {
    for (int i = 0; i < length; ++i)
      if (characters_[place + std::size_t(i)] == word_end) return false;
    return true;
  }

  /// How many characters two places agree in, up to a word's end.
  int shared(std::uint32_t a, std::uint32_t b) const {
    int length = 0;
    while (length < longest_ && characters_[a + std::size_t(length)] == characters_[b + std::size_t(length)] &&
           characters_[a + std::size_t(length)] != word_end)
      ++length;
    return length;
  }

  bool before(std::uint32_t a, std::uint32_t b) const {
    const auto length = std::size_t(shared(a, b));
    if (int(length) == longest_ || characters_[a + length] == characters_[b + length]) return a < b;
    return characters_[a + length] < characters_[b + length];
  }

  int longest_;
  std::vector<char32_t> characters_;     // of all words, each with word_end behind it
  std::vector<std::string_view> texts_;  // the same in UTF-8
  std::vector<long> counts_;             // of the word that a place is in
  std::vector<std::uint32_t> order_;
  std::vector<int> shared_;  // of a place in this order and the one before it
};

}  // namespace

std::vector<frequent_substring> frequent_substrings(const std::vector<counted_part>& words, int longest,
                                                    std::size_t most) {
  struct candidate {
    std::uint32_t place;
    int length;
    long count;
    long weight() const { return count * length; }
  };
  const sorted_places places(words, longest);
  std::vector<candidate> candidates;
  for (int length = 2; length <= longest; ++length) {
    places.each(length, [&](std::uint32_t place, long count) {
      if (count > 1) candidates.push_back({place, length, count});
    });
  }
  std::ranges::sort(candidates, [](const candidate& a, const candidate& b) {
    if (a.weight() != b.weight()) return a.weight() > b.weight();
    return a.length != b.length ? a.length > b.length : a.place < b.place;
  });
  if (candidates.size() > most) candidates.resize(most);
  std::vector<frequent_substring> found;
  for (const candidate& c : candidates) found.push_back({places.text_at(c.place, c.length), c.count, c.length});
  return found;
}

}  // namespace qkv::tokens
