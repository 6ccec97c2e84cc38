// Tokenizers by name, learned from texts: what --tokens and `qkv tokenize --learn` choose among.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "qkv/tokens/tokenizer.h"

namespace qkv::cli {

inline const std::vector<std::string> token_kinds{"characters", "bytes", "words", "bpe", "unigram"};

struct tokenizer_choice {
  std::string kind;        ///< one of token_kinds
  long vocabulary = 6000;  ///< of words, bpe and unigram, at most, special tokens included
  bool lower_case = false;
};

/// Words and unigram pieces get <unk> where it is not among the specials: they have no other way to say what they do
/// not know.   @param specials  get the first numbers
/// @throws usage_error for lower case where tokens are characters or bytes; shape_error for a vocabulary that is too
///         small
tokenizer learned_tokenizer(const tokenizer_choice& choice, std::span<const std::string> texts,
                            std::vector<std::string> specials);

}  // namespace qkv::cli
