// How near translations are to references, in the figures that papers report.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace qkv {

/// BLEU of a whole test set and what it is made of.
struct bleu_score {
  double bleu = 0;             ///< 0 .. 100
  double precisions[4] = {};   ///< of n-grams of 1 to 4 tokens, 0 .. 100
  double brevity_penalty = 1;  ///< below 1 where the translations are shorter than the references
  long translated_tokens = 0, reference_tokens = 0;
};

/// Papineni et al. 2002, over sentences whose tokens are divided by spaces; an order without any match counts as half
/// of what the one before it did (Chen & Cherry 2014, method 3), as sacreBLEU has it.
/// @throws shape_error where there are more translations than references or fewer
bleu_score bleu(std::span<const std::string> translations, std::span<const std::string> references);

/// A sentence as the standard scorer of the WMT divides it (mteval-v13a, "13a" in sacreBLEU): feed bleu() with these.
std::string tokenised_13a(const std::string& sentence);

/// Popović 2015: the F score (recall counts twice) of n-grams of 1 to 6 characters, spaces left out; 0 .. 100.
/// @throws shape_error as above; file_error for text that is not UTF-8
double chrf(std::span<const std::string> translations, std::span<const std::string> references);

}  // namespace qkv
