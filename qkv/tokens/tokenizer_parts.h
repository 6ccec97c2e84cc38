// What a tokenizer is made of; training and tokenizer.json put it together.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "qkv/tokens/bpe_model.h"
#include "qkv/tokens/text_cutter.h"
#include "qkv/tokens/text_form.h"
#include "qkv/tokens/unigram_model.h"
#include "qkv/tokens/word_model.h"

namespace qkv::tokens {

/// A token that is found in the text itself, before anything else is done to it.
struct added_token {
  std::string name;
  std::int32_t id;
  bool special;
};

/// \w+|[^\w\s] with \w spelled out, as it is in cutting::words: the programs that read tokenizer.json do not agree on
/// what \w is.
inline constexpr const char* words_single_marks_pattern =
    R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}\s])";

/// How the tokens' texts become one text.
enum class joining {
  with_spaces,     ///< a space between any two: words
  as_they_are,     ///< characters, bytes
  visible_spaces,  ///< every "▁" becomes a space, one in front is dropped
};

using token_model = std::variant<word_model, bpe_model, unigram_model>;

struct tokenizer_parts {
  text_form form;
  std::vector<cutting> cuttings;
  token_model model;
  joining join = joining::as_they_are;
  std::vector<added_token> added;  ///< in increasing order of ids; those beyond the model's follow it without a gap
  std::vector<std::int32_t> special_ids{};
  piece_trie every_added{{}},
      plain_added{{}};  ///< all added tokens and those that are not special, by place in `added`
};

inline const vocabulary& names_of(const token_model& model) {
  return std::visit([](const auto& m) -> const vocabulary& { return m.names(); }, model);
}

/// Whether characters that the model does not know become tokens of their bytes.
bool has_byte_fallback(const token_model& model);

/// The specials as added tokens; they are the first tokens of the model.
std::vector<added_token> first_tokens_special(const std::vector<std::string>& specials);

}  // namespace qkv::tokens
