// Which strings come often in a list of words: what a unigram vocabulary starts from.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "qkv/tokens/counting.h"

namespace qkv::tokens {

struct frequent_substring {
  std::string text;
  long count;    ///< in how many places, words counted as often as they come
  long letters;  ///< its characters
};

/// The substrings of 2 to `longest` characters that come more than once, the `most` for which count times characters is
/// greatest, these first.  Cost: n log n comparisons and memory for n numbers, where n characters are in the words.
std::vector<frequent_substring> frequent_substrings(const std::vector<counted_part>& words, int longest,
                                                    std::size_t most);

}  // namespace qkv::tokens
