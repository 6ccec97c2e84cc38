// Where a text is cut before tokens are found inside the parts: no token reaches over a cut.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace qkv::tokens {

/// Bytes begin .. end-1 of a text.
struct part {
  std::uint32_t begin, end;
};

/// The rules that files and training here know.  Each cuts every part that the rule before it left.
enum class cutting {
  gpt2_words,          ///< a space and the letters, numbers or marks behind it; 's, 't, 're, ...; the rest of spaces
  words,               ///< \w+|[^\w\s]+, spaces are dropped
  words_single_marks,  ///< \w+|[^\w\s], spaces are dropped
  single_digits,       ///< every number character stands alone
  numbers,             ///< runs of number characters stand alone
  visible_spaces,      ///< before every "▁"
};

/// Appends the parts of one text, or of one part of it, in order.
void cut(std::string_view text, part whole, cutting rule, std::vector<part>& parts);

/// The parts of a text after all rules; without rules the whole text.  Scratch is memory that is used again.
void cut(std::string_view text, const std::vector<cutting>& rules, std::vector<part>& parts,
         std::vector<part>& scratch);

}  // namespace qkv::tokens
