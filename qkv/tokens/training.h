// Making tokenizers from texts.
//
// Each takes one text or many, as a span of std::string: nothing reaches from one text into the next.  The same texts
// give the same tokenizer, on any machine.  Special tokens get the first numbers.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "qkv/tokens/tokenizer.h"

namespace qkv {

class character_vocabulary;

using training_texts = std::span<const std::string>;

/// <pad>, <unk>, <s>, </s>: tokens 0 to 3.
std::vector<std::string> usual_special_tokens();

/// The lines of a text, without their ends.
std::vector<std::string> lines_of(std::string_view text);

/// Characters: one token each.  Without an <unk> among the specials, characters that are not in the vocabulary are
/// refused.
tokenizer character_tokenizer(const character_vocabulary& characters, std::vector<std::string> specials = {});

/// Bytes: a token for each of the 256, in their order, behind the special tokens.  Source: Xue et al. 2022 (ByT5).
tokenizer byte_tokenizer(std::vector<std::string> specials = {});

enum class punctuation {
  in_runs,   ///< "..." is one word: \w+|[^\w\s]+
  by_marks,  ///< "..." is three words: \w+|[^\w\s]
};

struct word_options {
  long largest_vocabulary = 0;  ///< special tokens included; 0: no limit
  long least_count = 2;         ///< rarer words are <unk>
  bool lower_case = false;
  punctuation marks = punctuation::in_runs;
  std::vector<std::string> specials = usual_special_tokens();  ///< with <unk>
};

/// Words and punctuation, the commonest first, equally common ones in the order of their bytes.
tokenizer train_words(training_texts texts, const word_options& options = {});

struct bpe_options {
  long vocabulary = 8000;  ///< special tokens and the 256 bytes included; fewer when no pair is left to merge
  long least_count = 2;    ///< pairs that are rarer are not merged
  bool lower_case = false;
  std::vector<std::string> specials = usual_special_tokens();
};

/// Byte-level BPE: bytes, and the pairs that were commonest when they were merged; of equally common ones that with
/// the smaller tokens.  Cost: about the number of distinct words; 5 MB of text take less than a second.
/// @throws shape_error "train_byte_level_bpe: expected a vocabulary of at least 260 tokens, 256 bytes and 4 special
///         tokens; found 100"
/// Source: Sennrich et al. 2016, section 3.2; Radford et al. 2019, section 2.2.
tokenizer train_byte_level_bpe(training_texts texts, const bpe_options& options = {});

}  // namespace qkv
