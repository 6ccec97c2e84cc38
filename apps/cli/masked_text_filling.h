// What a masked language model would write into the holes of a text.
#pragma once
#include <string>
#include <vector>

#include "qkv/train/masked_model.h"

namespace qkv::cli {

/// A token and its probability.
struct filling {
  std::string text;
  std::int32_t token = 0;
  double probability = 0;
};

/// The `top` likeliest tokens at a place of a text, the likeliest first; special tokens are left out.
std::vector<filling> fillings_of(const masked_model& m, const std::vector<std::int32_t>& tokens, long place, long top);

/// A text in which "[MASK]" stands for a hole, ready to be cut: where tokens of words begin with their space, the space
/// before a hole belongs to what it hides.
std::string without_space_before_holes(const tokenizer& tokens, std::string text);

/// The tokens of such a text.   @throws usage_error without a hole, or with more tokens than the context
std::vector<std::int32_t> tokens_with_holes(const masked_model& m, const std::string& text);

}  // namespace qkv::cli
