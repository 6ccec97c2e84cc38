// What every training starts with: the distinct parts of its texts and how often each is there.
#pragma once
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "qkv/tokens/text_cutter.h"
#include "qkv/tokens/text_form.h"

namespace qkv::tokens {

struct counted_part {
  std::string text;
  long count;
};

/// The distinct parts, the commonest first, equally common ones in the order of their bytes.
/// @param any_bytes  texts need not be UTF-8
/// @throws shape_error "train_words: expected texts with at least one character; found empty ones"
///         (or bytes that are not UTF-8, with the text and the byte where they are)
std::vector<counted_part> count_parts(const char* operation, std::span<const std::string> texts, const text_form& form,
                                      const std::vector<cutting>& cuttings, bool any_bytes);

/// Throws shape_error when a special token's name is empty or there twice.
void check_specials(const char* operation, const std::vector<std::string>& specials);

}  // namespace qkv::tokens
