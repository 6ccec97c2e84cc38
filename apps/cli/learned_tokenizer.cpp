#include "apps/cli/learned_tokenizer.h"

#include <algorithm>

#include "apps/cli/command.h"
#include "qkv/tokens/characters.h"
#include "qkv/tokens/training.h"

namespace qkv::cli {
namespace {

tokenizer of_characters(std::span<const std::string> texts, std::vector<std::string> specials) {
  std::string all;
  for (const std::string& text : texts) all += text;
  return character_tokenizer(character_vocabulary(all), std::move(specials));
}

}  // namespace

tokenizer learned_tokenizer(const tokenizer_choice& choice, std::span<const std::string> texts,
                            std::vector<std::string> specials) {
  const std::string& kind = choice.kind;
  if (choice.lower_case && (kind == "characters" || kind == "bytes"))
    throw usage_error("--lower-case: expected words, bpe or unigram pieces; found " + kind);
  if (kind == "characters") return of_characters(texts, std::move(specials));
  if (kind == "bytes") return byte_tokenizer(std::move(specials));
  if (kind == "bpe")
    return train_byte_level_bpe(
        texts, {.vocabulary = choice.vocabulary, .lower_case = choice.lower_case, .specials = std::move(specials)});
  if (std::ranges::find(specials, special_token::unknown) == specials.end())
    specials.insert(specials.begin(), special_token::unknown);
  if (kind == "words")
    return train_words(
        texts,
        {.largest_vocabulary = choice.vocabulary, .lower_case = choice.lower_case, .specials = std::move(specials)});
  return train_unigram(
      texts, {.vocabulary = choice.vocabulary, .lower_case = choice.lower_case, .specials = std::move(specials)});
}

}  // namespace qkv::cli
